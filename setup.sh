#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All the set-up there is, on a fresh Debian 12 (as root, or through sudo):
#
#   ./setup.sh demo     install what is needed, build, show this host's advice, then boot an
#                       emulated four-node host: libvirt starts guests on our advice, and the
#                       daemon brings guests and their memory together
#   ./setup.sh check    install what the tests need and run all of them
#   ./setup.sh build    only install what the build needs, and build
#
# Builds in ./build. libvirt and numad are not installed here and no service of theirs is
# started: their packages are unpacked for the emulated host alone.

set -euo pipefail
cd "$(dirname "$0")"

build_packages=(autoconf autoconf-archive automake libtool pkg-config gcc libc6-dev make
	libsmartcols-dev libsystemd-dev libinih-dev libnuma-dev libcgroup-dev libcap-ng-dev)
test_packages=(libcmocka-dev clang clang-format g++ hwloc-nox libclang-rt-14-dev python3 python3-pytest
	logrotate numactl shellcheck strace systemd tar bzip2 xz-utils)
jobs=$(nproc)
start_s=$SECONDS
n_passed=0 n_failed=0 n_skipped=0
failures=()

say() {
	printf '\n== [%4d s] %s\n' $((SECONDS - start_s)) "$*"
}

die() {
	printf 'setup.sh: %s\n' "$*" >&2
	exit 1
}

# --- packages -------------------------------------------------------------------------------

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what is missing, and nothing where nothing is.
need_packages() {
	local package missing=()

	if ! command -v apt-get >/dev/null; then
		printf 'This script installs with apt-get, which is not here. Install what these\n'
		printf 'Debian packages hold, then build as README says:\n  %s\n' "$*"
		exit 1
	fi
	for package; do
		is_installed "$package" || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
			die "not root and no sudo; install: ${missing[*]}"
		say "installing: ${missing[*]}"
		as_root apt-get update -q -o APT::Update::Error-Mode=any >"$log_dir/apt.log" 2>&1 ||
			{ tail -5 "$log_dir/apt.log" >&2; die "apt-get update failed"; }
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
			--no-install-recommends "${missing[@]}" >>"$log_dir/apt.log" 2>&1 ||
			{ tail -5 "$log_dir/apt.log" >&2; die "apt-get install failed"; }
	fi
}

# --- building -------------------------------------------------------------------------------

# Runs a command with its output in a log; a dot every two seconds, the log's end on failure.
quietly() {
	local name=$1 log pid status=0

	shift
	log=$log_dir/$name.log
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 2
		if [ -t 1 ]; then printf .; fi
	done
	wait $pid || status=$?
	if [ $status != 0 ]; then
		tail -40 "$log"
		printf '%s failed (status %d), all of it: %s\n' "$name" $status "$log"
	fi
	return $status
}

bootstrap() {
	if [ ! -x configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]; then
		say "making configure"
		quietly autoreconf autoreconf -fi || exit 1
	fi
}

# build_in DIR CONFIGURE-ARGUMENT...
build_in() {
	local dir=$1

	shift
	mkdir -p "$dir"
	if [ ! -e "$dir/Makefile" ] || [ configure -nt "$dir/Makefile" ]; then
		(cd "$dir" && "$OLDPWD/configure" -q --prefix=/usr --sysconfdir=/etc "$@") || return 1
	fi
	make -s -C "$dir" -j"$jobs"
}

stage() {
	rm -rf build/stage
	make -s -C build install DESTDIR="$PWD/build/stage"
}

build_main() {
	say "building in ./build"
	quietly build build_in build --enable-werror || exit 1
	quietly stage stage || exit 1
}

# --- demo -----------------------------------------------------------------------------------

run_placectl() {
	LD_LIBRARY_PATH=build/stage/usr/lib build/stage/usr/bin/placectl "$@"
}

need_guest() {
	local packages

	read -ra packages < <(tests/guest/fetch --needs)
	need_packages "${packages[@]}"
	say "fetching the emulated host's kernel, libvirt, QEMU and numad (unpacked, not installed)"
	tests/guest/fetch
}

demo() {
	need_packages "${build_packages[@]}"
	bootstrap
	build_main
	say "this host: where would a guest of 2 vCPUs and 1024 MiB go?"
	run_placectl advise 2:1024
	printf '\n$ placed -w 2:1024\n'
	build/stage/usr/bin/placed -w 2:1024 --root /
	need_guest
	say "booting an emulated host of four nodes; in it, libvirt asks placed and starts guests"
	tests/guest/run --topology 4n -- tests/guest/judge --scene demo \
		--numad "$PWD/build/stage/usr/bin/placed"
	say "the same host with the daemon: guests of libvirt and others, each brought beside its memory"
	tests/guest/run --topology 4n8c -- tests/guest/daemon --build "$PWD/build"
	say "done. README says what to read next; ./setup.sh check runs the tests"
}

# --- check ----------------------------------------------------------------------------------

passed() {
	n_passed=$((n_passed + 1))
}

failed() {
	n_failed=$((n_failed + 1))
	failures+=("$1")
}

# step NAME COMMAND...: one that counts as one test.
step() {
	local name=$1

	shift
	say "$name"
	if quietly "${name// /-}" "$@"; then passed; else failed "$name"; fi
}

# make_check NAME DIR: automake's tests, counted one by one.
make_check() {
	local name=$1 dir=$2 log

	say "$name"
	log=$log_dir/${name// /-}.log
	quietly "${name// /-}" make -C "$dir" -j"$jobs" -k check || failures+=("$name")
	n_passed=$((n_passed + $(count_in "$log" 'PASS')))
	n_failed=$((n_failed + $(count_in "$log" 'FAIL') + $(count_in "$log" 'ERROR')))
	n_skipped=$((n_skipped + $(count_in "$log" 'SKIP')))
	grep -E '^# TOTAL' "$log" || failed "$name ran no test"
}

count_in() {
	sed -n "s/^# $2: *\([0-9]*\)$/\1/p" "$1" | awk '{ n += $1 } END { print n + 0 }'
}

# run_pytest NAME ARGUMENT...: shows it all, names what failed and what is skipped, and counts.
run_pytest() {
	local name=$1 xml counts status=0

	shift
	xml=$PWD/$log_dir/${name// /-}.xml
	say "$name"
	rm -f "$xml"
	/usr/bin/python3 -m pytest -q -rfEs -p no:cacheprovider --junit-xml="$xml" "$@" || status=$?
	[ $status = 0 ] || failures+=("$name (pytest status $status)")
	if [ ! -e "$xml" ]; then
		failed "$name left no result"
		return
	fi
	counts=$(/usr/bin/python3 - "$xml" <<-'END'
		import sys, xml.etree.ElementTree as tree
		suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
		n = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
		bad = n["failures"] + n["errors"]
		print(n["tests"] - bad - n["skipped"], bad, n["skipped"])
	END
	)
	read -r passed_here failed_here skipped_here <<<"$counts"
	n_passed=$((n_passed + passed_here))
	n_failed=$((n_failed + failed_here))
	n_skipped=$((n_skipped + skipped_here))
}

lint_shell() {
	local scripts

	mapfile -t scripts < <(git ls-files | while read -r file; do
		if [ -f "$file" ] && head -c 20 "$file" | grep -qE '^#!/bin/(ba)?sh'; then
			printf '%s\n' "$file"
		fi
	done)
	shellcheck -S warning "${scripts[@]}"
}

lint_format() {
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

check() {
	local guest_packages

	read -ra guest_packages < <(tests/guest/fetch --needs)
	need_packages "${build_packages[@]}" "${test_packages[@]}" "${guest_packages[@]}"
	bootstrap
	build_main
	export PLACED_BUILD=$PWD/build PLACED=$PWD/build/stage/usr/bin/placed
	make_check "unit tests and rules with gcc" build
	step "warnings of clang" build_in build/clang --enable-werror CC=clang
	say "building with sanitizers"
	quietly sanitizers build_in build/sanitize --enable-sanitizers || exit 1
	make_check "unit tests with sanitizers" build/sanitize
	if [ -d .git ] && command -v git >/dev/null; then
		step "shell scripts" lint_shell
		step "formatting" lint_format
	fi
	run_pytest "recorded hosts" tests/hosts
	PLACED_BUILD=$PWD/build/sanitize run_pytest "recorded hosts with sanitizers" \
		tests/hosts/test_hostile.py tests/hosts/test_guests.py
	say "fetching what the emulated host needs"
	if quietly fetch tests/guest/fetch; then passed; else failed "tests/guest/fetch"; fi
	run_pytest "programs" tests/system
	step "decisions on packed hosts" build/bench/packing --quick
	step "make distcheck" make -C build distcheck
	run_pytest "emulated hosts, libvirt as the judge" tests/guest
	finish
}

finish() {
	say "results"
	if [ ${#failures[@]} -gt 0 ]; then
		printf 'failed: %s\n' "${failures[@]}"
		[ $n_failed -gt 0 ] || n_failed=${#failures[@]}
	fi
	printf '%d passed, %d failed, %d skipped\n' $n_passed $n_failed $n_skipped
	[ $n_failed = 0 ]
}

usage() {
	sed -n '4,13p' "$0" | sed 's/^# \{0,1\}//'
}

log_dir=build/log
case ${1-} in
demo | check | build)
	mkdir -p "$log_dir"
	;;
-h | --help)
	usage
	exit 0
	;;
*)
	usage >&2
	exit 1
	;;
esac
case $1 in
demo) demo ;;
check) check ;;
build)
	need_packages "${build_packages[@]}"
	bootstrap
	build_main
	;;
esac
