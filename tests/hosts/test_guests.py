# SPDX-License-Identifier: LGPL-2.1-or-later
# What is read of running guests: command lines in every spelling, libvirt's record, /proc/PID.

"""Guest facts, through tests/hosts/describe."""

import pytest
import trees
from build_tree import NS_PER_TICK, TICKS_PER_S, Guest, even_host, ids_of

MIB = 1 << 20
GIB = 1 << 30
PID = 4711


@pytest.fixture
def guest_of(built, programs):
    """The facts of one guest, given its arguments or the whole of it."""
    def read(args=(), host=None, **more):
        host = host or even_host(4, 8, 64000, 40000)
        host.guests = [Guest(PID, args=list(args), **more)]
        facts = programs.describe(built(host))
        assert list(facts["guest"]) == [PID]
        return facts["guest"][PID]
    return read


# ---- -m, -smp, -name, -uuid ----------------------------------------------------------------------

@pytest.mark.parametrize("form, expected", [
    ("4096", 4096 * MIB),                       # MiB where nothing is said
    ("4G", 4 * GIB), ("4g", 4 * GIB), ("512M", 512 * MIB), ("1T", 1024 * GIB),
    ("1.5G", 1536 * MIB), ("0.5g", 512 * MIB),
    ("size=4194304k", 4 * GIB),                 # libvirt
    ("size=4194304k,slots=16,maxmem=16777216k", 4 * GIB),
    ("maxmem=16G,size=4G,slots=2", 4 * GIB),
    ("2048,slots=2,maxmem=8G", 2 * GIB),
    ("2147483648b", 2 * GIB),
    ("4X", None), ("4GG", None), ("-4096", None), ("99999999999999999999", None), ("", 128 * MIB),
])
def test_memory_forms(form, expected, guest_of):
    assert guest_of(["-m", form])["memory_bytes"] == expected


def test_memory_missing_is_the_default_of_qemu(guest_of):
    assert guest_of(["-smp", "2"])["memory_bytes"] == 128 * MIB


def test_last_option_wins(guest_of):
    assert guest_of(["-m", "1G", "--m", "2G"])["memory_bytes"] == 2 * GIB


@pytest.mark.parametrize("form, expected", [
    ("4", 4), ("cpus=4", 4), ("4,maxcpus=16", 4), ("4,sockets=2,cores=2,threads=1", 4),
    ("4,sockets=2,dies=1,cores=4,threads=2,maxcpus=16", 4),
    ("sockets=2,cores=4,threads=2", 16), ("sockets=2,dies=2,cores=3", 12), ("cores=6", 6),
    ("maxcpus=8,cpus=3", 3),
])
def test_smp_forms(form, expected, guest_of):
    assert guest_of(["-smp", form])["vcpus"] == expected


def test_smp_missing_is_one(guest_of):
    assert guest_of(["-m", "1G"])["vcpus"] == 1


@pytest.mark.parametrize("form, expected", [
    ("web", "web"), ("guest=web,debug-threads=on", "web"), ("web,process=qemu:web", "web"),
    ("debug-threads=on,guest=a,,b", "a,b"), ("guest=with space", "with space"),
])
def test_names(form, expected, guest_of):
    assert guest_of(["-name", form])["name"] == expected


def test_uuid(guest_of):
    uuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
    assert guest_of(["-uuid", uuid])["uuid"] == uuid


@pytest.mark.parametrize("comm", ["qemu-system-x86", "qemu-kvm", "qemu:web", "kvm",
                                  "qemu-system-aarch64"])
def test_commands_that_are_guests(comm, guest_of):
    assert guest_of(["-m", "1G"], comm=comm)["memory_bytes"] == GIB


@pytest.mark.parametrize("comm", ["bash", "kvm-pit", "kvm_nx_lpage", "libvirtd", "xqemu"])
def test_commands_that_are_none(comm, built, programs):
    host = even_host(1, 4, 8000, guests=[Guest(PID, comm=comm, args=["-m", "1G"])])
    assert not programs.describe(built(host))["guests"]


@pytest.mark.parametrize("exe, comm, is_guest", [
    ("/usr/libexec/qemu-kvm", "qemu-kvm", True),
    ("/usr/bin/qemu-system-x86_64", "worker", True),            # named by process=
    ("/usr/bin/qemu-system-x86_64 (deleted)", "qemu-system-x86", True),     # upgraded meanwhile
    ("/usr/bin/bash", "qemu-system-x86", False),
    ("/opt/qemu-system-x86_64/bin/other", "other", False),
])
def test_program_decides(exe, comm, is_guest, built, programs):
    host = even_host(1, 4, 8000, guests=[Guest(PID, comm=comm, exe=exe, args=["-m", "1G"])])
    assert bool(programs.describe(built(host))["guests"]) == is_guest


def test_zombie_and_kernel_thread_are_none(built, programs):
    host = even_host(1, 4, 8000, guests=[Guest(PID, cmdline=b"")])
    facts = programs.describe(built(host))
    assert not facts["guests"] and not facts["notes"]


# ---- memory backends and devices -----------------------------------------------------------------

def bound_both_ways(kind, more_json="", more_plain=""):
    """One backend of 4 GiB bound to nodes 1 and 3, in libvirt's JSON and in the older spelling."""
    return [
        ["-object", '{"qom-type":"memory-backend-%s","id":"ram-node0"%s,"size":4294967296,'
                    '"host-nodes":[1,3],"policy":"bind"}' % (kind, more_json)],
        ["-object", "memory-backend-%s,id=ram-node0%s,size=4294967296,host-nodes=1,host-nodes=3,"
                    "policy=bind" % (kind, more_plain)],
    ]


@pytest.mark.parametrize("spelling", [0, 1], ids=["json", "plain"])
@pytest.mark.parametrize("kind, more_json, more_plain", [
    ("ram", "", ""),
    ("file", ',"mem-path":"/var/lib/libvirt/qemu/ram/1-web","share":true',
     ",mem-path=/var/lib/libvirt/qemu/ram/1-web,share=on"),
    ("memfd", ',"share":true', ",share=on"),
], ids=["ram", "file", "memfd"])
def test_backends_are_bound(spelling, kind, more_json, more_plain, guest_of):
    args = ["-m", "size=4194304k", *bound_both_ways(kind, more_json, more_plain)[spelling],
            "-numa", "node,nodeid=0,cpus=0-3,memdev=ram-node0"]
    guest = guest_of(args)
    assert (guest["bind"], guest["mems"]) == ("strict", "1,3")
    assert guest["memory_bytes"] == 4 * GIB       # no device plugs it in: it is -m
    assert guest["hugepage_bytes"] == 0


@pytest.mark.parametrize("policy, bind", [("bind", "strict"), ("interleave", "interleave"),
                                          ("preferred", "preferred")])
def test_policies(policy, bind, guest_of):
    guest = guest_of(["-object", "memory-backend-ram,id=a,size=1G,host-nodes=0-2,policy=" + policy])
    assert (guest["bind"], guest["mems"]) == (bind, "0-2")


def test_policy_default_binds_nothing(guest_of):
    guest = guest_of(["-object", '{"qom-type":"memory-backend-ram","id":"pc.ram","size":1}'])
    assert guest["bind"] == "none"


def test_cells_of_a_guest_add_up(guest_of):
    """A guest with two NUMA cells, each bound to a node of its own."""
    args = ["-m", "8192"]
    for cell, node in ((0, 1), (1, 2)):
        args += ["-object", '{"qom-type":"memory-backend-ram","id":"ram-node%d","size":4294967296,'
                            '"host-nodes":[%d],"policy":"bind"}' % (cell, node)]
    guest = guest_of(args)
    assert (guest["mems"], guest["memory_bytes"], guest["parts"]) == ("1-2", 8 * GIB, {})


@pytest.mark.parametrize("mems, parts", [("0-3", {"1": 2 * GIB, "2": 6 * GIB}), ("1-2", {"1": 2 * GIB, "2": 6 * GIB}),
                                         ("2-3", {}), ("0,3", {})])
def test_cells_on_nodes_of_their_own(mems, parts, guest_of):
    """As long as the cpuset has these nodes: else the kernel has taken the policies to others."""
    args = ["-m", "8192", "-smp", "2"]
    for cell, node, gib in ((0, 1, 2), (1, 2, 6)):
        args += ["-object", f"memory-backend-ram,id=ram-node{cell},size={gib}G,host-nodes={node},policy=bind",
                 "-numa", f"node,nodeid={cell},cpus={cell},memdev=ram-node{cell}"]
    assert guest_of(args, mems=mems)["parts"] == parts


@pytest.mark.parametrize("objects", [
    ["-object", '{"qom-type":"memory-backend-ram","id":"memdimm0","size":1073741824}',
     "-device", '{"driver":"pc-dimm","node":0,"memdev":"memdimm0","id":"dimm0","slot":0}'],
    ["-object", "memory-backend-ram,id=memdimm0,size=1G",
     "-device", "pc-dimm,node=0,memdev=memdimm0,id=dimm0,slot=0"],
], ids=["json", "plain"])
def test_dimm(objects, guest_of):
    assert guest_of(["-m", "4G,slots=4,maxmem=16G", *objects])["memory_bytes"] == 5 * GIB


def test_nvdimm(guest_of):
    assert guest_of([
        "-m", "4G,slots=4,maxmem=16G",
        "-object", '{"qom-type":"memory-backend-file","id":"memnvdimm0","mem-path":"/tmp/nv",'
                   '"share":true,"size":536870912}',
        "-device", '{"driver":"nvdimm","memdev":"memnvdimm0","id":"nvdimm0","slot":0}',
    ])["memory_bytes"] == 4 * GIB + 512 * MIB


@pytest.mark.parametrize("requested, expected", [(1 << 30, 5 * GIB), (0, 4 * GIB),
                                                 (8 << 30, 8 * GIB)])
def test_virtio_mem_counts_what_is_requested(requested, expected, guest_of):
    """Never more than its backend holds."""
    assert guest_of([
        "-m", "4G,maxmem=16G",
        "-object", '{"qom-type":"memory-backend-ram","id":"vmem0","size":4294967296}',
        "-device", '{"driver":"virtio-mem-pci","memdev":"vmem0","node":0,"block-size":2097152,'
                   '"requested-size":%d,"id":"virtiomem0"}' % requested,
    ])["memory_bytes"] == expected


# ---- hugepages -----------------------------------------------------------------------------------

HUGETLBFS = ("hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
             "hugetlbfs /dev/hugepages1G hugetlbfs rw,relatime,pagesize=1024M 0 0\n")


@pytest.mark.parametrize("args, page_bytes", [
    (["-object", "memory-backend-file,id=a,size=1G,mem-path=/dev/hugepages/libvirt/qemu/1-web"],
     2 * MIB),
    (["-object", '{"qom-type":"memory-backend-file","id":"a","size":1073741824,'
                 '"mem-path":"/dev/hugepages1G/libvirt/qemu/1-web"}'], GIB),
    (["-mem-path", "/dev/hugepages"], 2 * MIB),
    (["-object", "memory-backend-file,id=a,size=1G,mem-path=/dev/hugepages-not/a"], 0),
    (["-object", "memory-backend-file,id=a,size=1G,mem-path=/dev/shm/a"], 0),
    (["-object", "memory-backend-memfd,id=a,size=1G,hugetlb=on,hugetlbsize=1G"], GIB),
    (["-object", '{"qom-type":"memory-backend-memfd","id":"a","size":1073741824,'
                 '"hugetlb":true,"hugetlbsize":2097152}'], 2 * MIB),
    (["-object", "memory-backend-memfd,id=a,size=1G,hugetlb=on"], 2 * MIB),
    (["-object", "memory-backend-memfd,id=a,size=1G,hugetlb=off"], 0),
    (["-object", "memory-backend-memfd,id=a,size=1G"], 0),
])
def test_hugepages(args, page_bytes, guest_of):
    host = even_host(2, 8, 64000, 40000, mounts=HUGETLBFS)
    assert guest_of(["-m", "1G", *args], host=host)["hugepage_bytes"] == page_bytes


def test_resident_counts_shared_and_hugetlb(guest_of):
    guest = guest_of(["-m", "4G"], resident_mib=300, shmem_mib=2000, hugetlb_mib=1024)
    assert guest["resident_bytes"] == (300 + 2000) * MIB
    assert guest["resident_pool_bytes"] == 1024 * MIB


@pytest.mark.parametrize("comm, is_guest", [
    ("qemu-system-x86", True), ("qemu-kvm", True), ("kvm", True), ("qemu:web", True),
    (".qemu-system-x8", True), ("qemu9.1", True), ("qemu-img", False), ("qemu-nbd", False),
    ("qemu-storage-da", False), ("qemu-pr-helper", False), ("kvm-nx-lpage-re", False),
    ("not-qemu", False),
])
def test_which_programs_are_guests(comm, is_guest, built, programs):
    host = even_host(2, 8, 64000, 40000)
    host.guests = [Guest(PID, args=["-m", "1G"], comm=comm)]
    assert bool(programs.describe(built(host))["guests"]) == is_guest


def test_cells_on_different_nodes_are_charged_evenly(built, programs):
    """Half touched on the fuller node or not: what is left is not where most is free."""
    host = even_host(2, 8, 64000, 40000)
    cells = [word for node in (0, 1) for word in
             ("-object", f"memory-backend-ram,id=ram-node{node},size=8G,host-nodes={node},policy=bind")]
    host.guests = [Guest(PID, args=["-m", "16G", *cells])]
    rows = programs.table(built(host), "1:1")["nodes"]
    assert rows[0]["promised_bytes"] == rows[1]["promised_bytes"] == 8 * GIB


def test_memory_plugged_in_later(guest_of):
    """DIMMs that no command line names: libvirt's record does."""
    record = ("<domstatus state='running' reason='booted' pid='4711'>\n  <domain type='kvm' id='1'>\n"
              "    <name>web</name>\n    <memory unit='KiB'>3145728</memory>\n"
              "    <currentMemory unit='KiB'>3145728</currentMemory>\n  </domain>\n</domstatus>\n")
    guest = guest_of(["-name", "guest=web", "-m", "1G"], name="web", domstatus=record)
    assert guest["memory_bytes"] == 3072 * MIB


def test_resident_of_old_kernels(guest_of):
    """Before 4.5 there is VmRSS and no more."""
    guest = guest_of(["-m", "4G"], status={"RssAnon": None, "RssFile": None, "RssShmem": None,
                                           "VmRSS": f"{500 * 1024} kB"})
    assert guest["resident_bytes"] == 500 * MIB


# ---- libvirt's record ----------------------------------------------------------------------------

def status_xml(pid=PID, current_kib=None, numatune="", numad="", metadata=""):
    """/run/libvirt/qemu/NAME.xml as libvirt writes it, shortened."""
    balloon = "" if current_kib is None else \
        f"    <currentMemory unit='KiB'>{current_kib}</currentMemory>\n"
    return (
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
        "OVERWRITTEN AND LOST.\n-->\n"
        f"<domstatus state='running' reason='booted' pid='{pid}'>\n"
        "  <taint flag='custom-argv'/>\n"
        "  <monitor path='/var/lib/libvirt/qemu/domain-1-web/monitor.sock' type='unix'/>\n"
        f"{numad}"
        "  <domain type='kvm' id='1'>\n"
        "    <name>web</name>\n"
        f"{metadata}"
        "    <memory unit='KiB'>8388608</memory>\n"
        f"{balloon}"
        "    <vcpu placement='auto'>4</vcpu>\n"
        f"{numatune}"
        "  </domain>\n"
        "</domstatus>\n")


def numatune(mode, nodeset="", placement=""):
    attributes = f"mode='{mode}'" + (f" nodeset='{nodeset}'" if nodeset else "") + \
        (f" placement='{placement}'" if placement else "")
    return f"    <numatune>\n      <memory {attributes}/>\n    </numatune>\n"


WEB = ["-name", "guest=web,debug-threads=on", "-m", "size=8388608k", "-smp", "4"]


def test_balloon(guest_of):
    guest = guest_of(WEB, name="web", domstatus=status_xml(current_kib=2097152))
    assert (guest["memory_bytes"], guest["balloon_bytes"]) == (8 * GIB, 2 * GIB)


def test_balloon_that_is_not_blown_up(guest_of):
    guest = guest_of(WEB, name="web", domstatus=status_xml(current_kib=8388608))
    assert guest["balloon_bytes"] in (None, 8 * GIB)


def test_record_of_another_pid_does_not_count(guest_of):
    guest = guest_of(WEB, name="web", domstatus=status_xml(pid=4712, current_kib=2097152))
    assert guest["balloon_bytes"] is None


def test_metadata_is_not_mistaken(guest_of):
    """What a user wrote lies deeper, and comes first."""
    metadata = ("    <metadata>\n      <a:b xmlns:a='http://a'>\n"
                "        <currentMemory unit='KiB'>1</currentMemory>\n      </a:b>\n"
                "    </metadata>\n")
    guest = guest_of(WEB, name="web", domstatus=status_xml(current_kib=2097152,
                                                           metadata=metadata))
    assert guest["balloon_bytes"] == 2 * GIB


@pytest.mark.parametrize("mode, bind", [("strict", "strict"), ("interleave", "interleave"),
                                        ("preferred", "preferred"), ("restrictive", "cpuset")])
def test_numatune(mode, bind, guest_of):
    guest = guest_of(WEB, name="web", domstatus=status_xml(numatune=numatune(mode, "2")))
    assert (guest["bind"], guest["mems"]) == (bind, "2")


def test_numatune_that_was_advised(guest_of):
    xml = status_xml(numatune=numatune("interleave", placement="auto"),
                     numad="  <numad nodeset='1-2' cpuset='8-23'/>\n")
    guest = guest_of(WEB, name="web", domstatus=xml)
    assert (guest["bind"], guest["mems"]) == ("interleave", "1-2")


def test_restrictive_by_the_cpuset_alone(guest_of):
    guest = guest_of(WEB, mems="3")
    assert (guest["bind"], guest["mems"]) == ("cpuset", "3")


def test_backend_says_it_more_exactly_than_the_cpuset(guest_of):
    args = WEB + ["-object", "memory-backend-ram,id=ram-node0,size=8G,host-nodes=1,policy=bind"]
    guest = guest_of(args, mems="1-2")
    assert (guest["bind"], guest["mems"]) == ("strict", "1")


def test_relocated_since_its_start(guest_of):
    """The kernel took its policy along with its cpuset; the command line stays as it was."""
    args = WEB + ["-object", "memory-backend-ram,id=ram-node0,size=8G,host-nodes=1,policy=bind"]
    guest = guest_of(args, mems="2")
    assert (guest["bind"], guest["mems"]) == ("strict", "2")


def test_allowed_beyond_the_host(guest_of):
    """The kernel lists possible nodes and CPUs; only those online count."""
    guest = guest_of(WEB, mems="0-255", cpus="0-8191")
    assert (guest["bind"], guest["mems"], guest["cpus"]) == ("none", "0-3", "0-31")


# ---- time ----------------------------------------------------------------------------------------

def test_load_since_the_start(guest_of):
    guest = guest_of(WEB, start_s=99000, cpu_time_s=2000)
    assert guest["start_ns"] == 99000 * TICKS_PER_S * NS_PER_TICK
    assert guest["load_millicpu"] == 2000


def load_text(host, taken_s, cpu_time_s, start_s=1000, pid=PID):
    return (f"placed load 1 boot {host.boot_id} taken_ns {taken_s * 10**9}\n"
            f"{pid} {start_s * 10**9} {cpu_time_s * 10**9}\n")


def test_load_since_an_earlier_sample(guest_of):
    host = even_host(2, 8, 64000, 40000)
    host.files["run/placed/load"] = load_text(host, host.uptime_s - 10, 5000)
    guest = guest_of(WEB, host=host, start_s=1000, cpu_time_s=5005)
    assert guest["load_millicpu"] == 500


def test_load_of_a_moment_does_not_count(guest_of):
    """Nine seconds ago is too near: since the start, then."""
    host = even_host(2, 8, 64000, 40000)
    host.files["run/placed/load"] = load_text(host, host.uptime_s - 9, 5000, start_s=host.uptime_s - 10000)
    guest = guest_of(host=host, start_s=host.uptime_s - 10000, cpu_time_s=20000)
    assert guest["load_millicpu"] == 2000


@pytest.mark.parametrize("kept", [
    dict(taken_s=99990, cpu_time_s=5000, start_s=999),      # another process of that pid
    dict(taken_s=99990, cpu_time_s=5000, pid=PID + 1),      # another guest
], ids=["reused-pid", "other-guest"])
def test_kept_load_of_another(kept, guest_of):
    host = even_host(2, 8, 64000, 40000)
    host.files["run/placed/load"] = load_text(host, **kept)
    guest = guest_of(WEB, host=host, start_s=90000, cpu_time_s=5000)
    assert guest["load_millicpu"] == 500


@pytest.mark.parametrize("comm", ["qemu) Z 1", "qemu (x) R 9 9", "qemu a b", "qemu\nRss: 1",
                                  "qemu))))"])
def test_stat_is_read_behind_the_last_bracket(comm, guest_of):
    guest = guest_of(WEB, comm=comm, start_s=99000, cpu_time_s=2000)
    assert (guest["start_ns"], guest["load_millicpu"]) == (99000 * 10**9, 2000)


# ---- recorded processes and mounts ---------------------------------------------------------------

def needs_archives():
    if not trees.load_facts():
        pytest.skip(f"no recorded hosts: {trees.archive_dir()} holds no TREES.jsonl")


@pytest.mark.parametrize("name", ["procpid-2.6.32-root-001", "procpid-4.2.3-root-004"])
def test_recorded_processes(name, hosts, programs):
    """None of them is a guest, whatever their names hold, and none is unreadable."""
    needs_archives()
    facts = programs.describe(hosts.root(f"pcp/{name}.tgz"))
    assert not facts["guests"]
    assert not any("guests could not be read" in note for note in facts["notes"])


def test_recorded_process_as_a_guest(hosts, built, programs):
    """A real status and stat, of a thread called (JS Helper), under a guest's command line."""
    needs_archives()
    root = hosts.root("pcp/procpid-4.2.3-root-004.tgz")
    found = [path for path in sorted(root.glob("proc/*/stat"))
             if "(JS Helper)" in path.read_text(encoding="ascii")]
    assert found
    stat = found[0].read_text(encoding="ascii").strip("\0")
    host = even_host(1, 4, 8000, guests=[Guest(PID, args=WEB, stat=stat)])
    guest = programs.describe(built(host))["guest"][PID]
    fields = stat.rpartition(")")[2].split()
    assert guest["start_ns"] == int(fields[19]) * NS_PER_TICK


@pytest.mark.parametrize("case", ["cgroups1", "cgroups3", "fedora-18", "hybrid", "kubevirt",
                                  "ovirt-node-6.6", "rhel-7.1", "systemd", "unified",
                                  "no-cgroups"])
def test_recorded_mounts(case, hosts, built, programs):
    """The cpuset hierarchy is where libvirt finds it: a set that is put there is obeyed."""
    needs_archives()
    folder = hosts.unpack("libvirt/vircgroupdata.tar.gz") / "vircgroupdata"

    def text(what):
        path = folder / f"{case}.{what}"
        return path.read_text(encoding="ascii") if path.exists() else ""

    places = dict(line.split() for line in text("parsed").splitlines() if line.strip())
    place = next((places[key] for key in ("cpuset", "unified")
                  if places.get(key, "<null>") != "<null>"), None)
    files, names = {}, ("cpuset.mems", "cpuset.mems.effective")
    for hidden in ("some/random/location/cpuset", "not/there"):
        files.update({f"{hidden}/machine/{name}": "0\n" for name in names})
    if place:
        files.update({f"{place[1:]}/machine/{name}": "1-2\n" for name in names})
    host = even_host(4, 8, 64000, 40000, mounts=text("mounts"), cgroup=text("self.cgroup"),
                     files=files)
    facts = programs.describe(built(host))
    assert facts["confine_mems"] == ("1-2" if place else "0-3")


def test_own_recording_with_guests(hosts, programs):
    """Guests that libvirt started: all that can be known of them is."""
    if "recorded/4n-guests" not in trees.recorded_trees():
        pytest.skip("tests/hosts/recorded/4n-guests is not there")
    facts = programs.describe(hosts.root("recorded/4n-guests"))
    assert len(facts["guests"]) == 3
    for guest in facts["guests"]:
        for key in ("vcpus", "memory_bytes", "resident_bytes", "load_millicpu", "start_ns"):
            assert guest[key], (guest["name"], key)
        assert guest["name"] and guest["uuid"]
        assert guest["resident_bytes"] < guest["memory_bytes"] + 400 * MIB
        assert ids_of(guest["mems"]) <= ids_of(facts["node_ids"])


def test_ascending_pids(built, programs):
    host = even_host(1, 4, 8000, guests=[Guest(pid, args=WEB) for pid in (99, 10000, 7, 1234)])
    assert [guest["pid"] for guest in programs.describe(built(host))["guests"]] == [
        7, 99, 1234, 10000]
