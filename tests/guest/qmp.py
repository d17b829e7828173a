# SPDX-License-Identifier: LGPL-2.1-or-later
# Talks to a QEMU that we started ourselves through its QMP socket: commands, their answers, and events.

"""A small QMP client."""

import json
import pathlib
import socket
import time


class QmpError(Exception):
    """QEMU refused a command, or has ended."""


class Qmp:
    """Connected when this returns; waits for a QEMU that has only just been started."""

    def __init__(self, path, process=None, seconds=120):
        self.events = []
        self.text = b""
        end = time.monotonic() + seconds
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.socket.close()
                if process and process.poll() is not None:
                    raise QmpError(f"QEMU ended with {process.returncode}") from None
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self._read(end)                                     # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command, seconds=120, **arguments):
        """What QEMU returns. Underscores of an argument's name stand for its dashes."""
        words = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.socket.sendall(json.dumps({"execute": command, "arguments": words}).encode() + b"\n")
        end = time.monotonic() + seconds
        while True:
            message = self._read(end)
            if "error" in message:
                raise QmpError(f"{command}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def wait_event(self, name, seconds=120):
        """The first event of that name that nobody has waited for."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event.get("event") == name:
                    self.events.remove(event)
                    return event
            self.events.append(self._read(end))

    def _read(self, end):
        while b"\n" not in self.text:
            self.socket.settimeout(max(end - time.monotonic(), 0.01))
            read = self.socket.recv(65536)
            if not read:
                raise QmpError("QEMU has closed its monitor")
            self.text += read
        line, _, self.text = self.text.partition(b"\n")
        return json.loads(line)


def qmp_words(path):
    """For QEMU's command line."""
    pathlib.Path(path).unlink(missing_ok=True)
    return ["-qmp", f"unix:{path},server=on,wait=off"]
