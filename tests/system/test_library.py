# SPDX-License-Identifier: LGPL-2.1-or-later
# The installed library from outside: one header, pkg-config, C and C++, and no symbol too many.

"""libplace as a user of it sees it."""

import os
import re
import shutil
import subprocess

import pytest

from box import ANSWER, BUILD, HOSTS, SOURCE, environment

PROGRAM = r"""
#include <place.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct place *place = NULL;
	struct place_question question = { sizeof(question), 0, 0 };
	struct place_reply *reply = NULL;
	struct place_row row;
	struct place_pool_row pool;
	size_t i, j;

	row.size = sizeof(row);
	pool.size = sizeof(pool);
	if (argc < 3 || place_open(argv[1], &place) < 0)
		return 1;
	if (place_ask(place, &question, &reply) == 0)
		return 2; /* nothing was read yet */
	if (place_read(place) < 0)
		return 3;
	if (place_question_parse("x", &question) == 0 || place_question_parse(argv[2], &question) < 0)
		return 4;
	for (i = 0; i < place_note_count(place); i++)
		fprintf(stderr, "%s\n", place_note(place, i));
	if (place_note(place, i))
		return 5;
	if (place_ask(place, &question, &reply) < 0)
		return 6;
	place_close(place); /* the reply stays */
	puts(place_reply_nodes(reply));
	printf("%s: %s\n", place_reply_verdict(reply), place_reply_sentence(reply));
	for (i = 0; place_reply_row(reply, i, &row) == 0; i++) {
		printf("%u %s\n", row.id, row.reason);
		for (j = 0; place_reply_pool(reply, i, j, &pool) == 0; j++)
			if (!pool.page_bytes)
				return 7;
		if (j != place_reply_pool_count(reply, i))
			return 8;
	}
	if (i != place_reply_row_count(reply) || place_reply_pool_count(reply, i))
		return 9;
	row.size = 1;
	if (place_reply_row(reply, 0, &row) == 0)
		return 10;
	printf("%s\n", place_version());
	return place_reply_free(reply) || place_close(NULL) || place_reply_free(NULL) ? 11 : 0;
}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    if not (BUILD / "Makefile").exists():
        pytest.skip("PLACED_BUILD is no build tree: there is nothing to install from")
    where = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", BUILD, "install", f"DESTDIR={where}"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""})
    return where


def one(installed, pattern):
    found = [path for path in installed.rglob(pattern) if not path.is_symlink()]
    assert len(found) == 1, found
    return found[0]


def pkg_config(installed, *arguments):
    folder = one(installed, "libplace.pc").parent
    done = subprocess.run(["pkg-config", "--define-variable=x=y", *arguments, "libplace"], check=True, text=True,
                          stdout=subprocess.PIPE, env={**environment(), "PKG_CONFIG_PATH": str(folder),
                                                       "PKG_CONFIG_SYSROOT_DIR": str(installed)})
    return done.stdout.split()


@pytest.mark.parametrize("compiler, standard, suffix", [
    ("gcc", "c99", "c"), ("gcc", "c17", "c"), ("clang", "c99", "c"), ("clang", "c17", "c"),
    ("g++", "c++11", "cc"), ("g++", "c++20", "cc"), ("clang++", "c++17", "cc")])
def test_program_compiles_and_answers(installed, tmp_path, compiler, standard, suffix):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    source = tmp_path / f"program.{suffix}"
    source.write_text(PROGRAM)
    subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source,
                    "-o", tmp_path / "program", *pkg_config(installed, "--cflags", "--libs")], check=True)
    folder = one(installed, "libplace.so.*").parent
    for name in ("2n", "4n"):
        done = subprocess.run([tmp_path / "program", HOSTS / name, "1:64"], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(LD_LIBRARY_PATH=str(folder)))
        assert done.returncode == 0, done
        assert ANSWER.match(done.stdout)
        assert done.stdout.splitlines()[-1] == pkg_config(installed, "--modversion")[0]


def test_header_stands_alone(installed, tmp_path):
    """It needs no other header before it, and nothing of config.h."""
    source = tmp_path / "alone.c"
    source.write_text("#include <place.h>\n#include <place.h>\n")
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", source,
                    *pkg_config(installed, "--cflags")], check=True)
    assert [path.name for path in installed.rglob("*.h")] == ["place.h"]


def test_symbols(installed):
    library = one(installed, "libplace.so.*")
    subprocess.run([SOURCE / "tests/symbols", "--self-test"], check=True)
    subprocess.run([SOURCE / "tests/symbols", SOURCE / "libplace/libplace.map", SOURCE / "libplace/place.h", library],
                   check=True)
    exported = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True, stdout=subprocess.PIPE)
    for line in exported.stdout.splitlines():
        assert re.search(r" (T place_[a-z_]+@@PLACE_1\.0|A PLACE_1\.0)$", line), line


def test_symbol_too_many_is_named(installed, tmp_path):
    library = one(installed, "libplace.so.*")
    short = tmp_path / "short.map"
    short.write_text((SOURCE / "libplace/libplace.map").read_text().replace("\tplace_note;\n", ""))
    done = subprocess.run([SOURCE / "tests/symbols", short, SOURCE / "libplace/place.h", library], check=False,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert set(re.findall(r"place_\w+ is", done.stderr)) == {"place_note is"}


def test_library_prints_and_logs_nothing(installed):
    """No printing to standard streams, no exit, no syslog."""
    library = one(installed, "libplace.so.*")
    used = subprocess.run(["nm", "-D", "-u", library], check=True, text=True, stdout=subprocess.PIPE).stdout
    names = {line.split()[-1].split("@")[0] for line in used.splitlines()}
    assert not names & {"printf", "puts", "putchar", "__printf_chk", "perror", "exit", "_exit", "syslog",
                        "__syslog_chk", "stdout", "stderr", "system", "popen", "fork", "unlink", "rename"}


def test_numad_link(installed):
    links = [path for path in installed.rglob("numad") if path.is_symlink()]
    assert [os.readlink(path) for path in links] == ["placed"]
