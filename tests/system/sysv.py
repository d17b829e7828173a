#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SysV message queues by hand, for the tests of numad's queue; run inside a box:
#
#   make KEY MODE              remove KEY                  mode KEY MODE
#   send KEY TYPE SRC CMD ARG1 ARG2 [TEXT]                 CMD is a letter or a number
#   raw KEY TYPE SIZE          fill KEY TYPE               take KEY TYPE
#   asks KEY TYPE SRC COUNT    a question from each of COUNT pids, from SRC on
#
# take prints "src cmd arg1 arg2 text". Exit status 1 and the name of the error where it fails.

"""Message queues by hand."""

import ctypes
import errno
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT = 0o1000, 0o2000, 0o4000, 0, 1, 2
KEYS = {"2015": 0xdeadbeef, "2025": 0xaddaadda}
MODE_AT = 20  # of msg_perm in struct msqid_ds, behind key, uid, gid, cuid, cgid


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def msgget(key, flags=0):
    return check(LIBC.msgget(ctypes.c_int32(KEYS[key] - (1 << 32)), flags))


def msgsnd(queue, mtype, content):
    buffer = struct.pack("@l", mtype) + content
    check(LIBC.msgsnd(queue, buffer, ctypes.c_size_t(len(content)), IPC_NOWAIT))


def main(command, key, *arguments):
    if command == "make":
        msgget(key, IPC_CREAT | IPC_EXCL | int(arguments[0], 8))
        return
    queue = msgget(key)
    if command == "remove":
        check(LIBC.msgctl(queue, IPC_RMID, None))
    elif command == "mode":
        status = ctypes.create_string_buffer(512)
        check(LIBC.msgctl(queue, IPC_STAT, status))
        struct.pack_into("@I", status, MODE_AT, int(arguments[0], 8))
        check(LIBC.msgctl(queue, IPC_SET, status))
    elif command == "send":
        mtype, source, letter, *numbers = arguments[:5]
        letter = ord(letter) if len(letter) == 1 else int(letter)
        text = "".join(arguments[5:]).encode() + b"\0"
        msgsnd(queue, int(mtype), struct.pack("@llll", int(source), letter, *map(int, numbers)) + text)
    elif command == "asks":
        mtype, first, count = map(int, arguments)
        for source in range(first, first + count):
            msgsnd(queue, mtype, struct.pack("@llll", source, ord("w"), 100, 1) + b"\0")
    elif command == "raw":
        msgsnd(queue, int(arguments[0]), b"A" * int(arguments[1]))
    elif command == "fill":
        try:
            while True:
                msgsnd(queue, int(arguments[0]), struct.pack("@llll", 1, ord("w"), 0, 0) + b"0\0")
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
    elif command == "take":
        buffer = ctypes.create_string_buffer(8192)
        size = check(LIBC.msgrcv(queue, buffer, ctypes.c_size_t(8000), ctypes.c_long(int(arguments[0])), IPC_NOWAIT))
        _, source, letter, arg1, arg2 = struct.unpack_from("@lllll", buffer)
        print(source, letter, arg1, arg2, buffer.raw[40:size + 8].split(b"\0")[0].decode())


try:
    main(*sys.argv[1:])
except OSError as failure:
    sys.exit(errno.errorcode[failure.errno])
