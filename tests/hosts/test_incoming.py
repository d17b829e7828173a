# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest whose memory is still to come: migrated in, or restored from a file. It counts in full before a page of it is
# there, on its nodes where it has some, and less as it comes in.

"""Guests that arrive, through placed -w and placectl advise."""

import pytest
from build_tree import Guest, even_host, promise_line, promises_text

PID = 4711
MIB = 1 << 20
RAM_MIB = 24000
OVERHEAD_MIB = 100              # [advice] guest_overhead_mib
QEMU_MIB = 20                   # what QEMU has by itself
FREE_MIB = 30000                # on each of two nodes, before it came
WHOLE_MIB = RAM_MIB + OVERHEAD_MIB - QEMU_MIB
ARGS = ["-name", "guest=web,debug-threads=on", "-m", str(RAM_MIB), "-smp", "4", "-S"]
DEFER = ["-incoming", "defer"]
STATUS = f"""<domstatus state='paused' reason='starting up' pid='{PID}'>
  <job type='none' async='{{job}}' phase='prepare' flags='0x41'/>
{{own}}  <domain type='kvm' id='1'>
    <name>web</name>
    <memory unit='KiB'>{RAM_MIB * 1024}</memory>
    <currentMemory unit='KiB'>{RAM_MIB * 1024}</currentMemory>
    <numatune>
      <memory mode='strict' {{nodes}}/>
    </numatune>
  </domain>
</domstatus>
"""


@pytest.fixture
def arriving(built, programs):
    """A host of two nodes on which the guest has just begun to arrive: its answers, and what is promised by node."""
    class Arriving:
        def __init__(self, args, resident_mib=QEMU_MIB, files=None, **more):
            guest = Guest(PID, args=[*ARGS, *args], resident_mib=resident_mib, **more)
            self.root = built(even_host(2, 8, 64000, FREE_MIB, uptime_s=210, guests=[guest], files=files or {}))

        def promised_mib(self):
            return [node["promised_bytes"] // MIB for node in programs.table(self.root, "1:64")["nodes"]]

        def answer(self, request):
            return programs.answer(self.root, request)
    return Arriving


@pytest.mark.parametrize("incoming", [
    DEFER, ["-incoming", "tcp:[::]:49152"], ["--incoming", "unix:/run/a"],
    ["-incoming", "fd:24"], ["-incoming", "exec:cat /save"], ["-incoming", "file:/var/lib/libvirt/qemu/save/web.save"],
    ["-loadvm", "before"],
])
@pytest.mark.parametrize("bound", [
    {"args": [], "mems": "1"},
    {"args": ["-object", f"memory-backend-ram,id=ram,size={RAM_MIB}M,host-nodes=1,policy=bind"]},
    {"args": [], "name": "web", "domstatus": STATUS.format(job="migration in", own="", nodes="nodeset='1'")},
    {"args": [], "name": "web", "domstatus": STATUS.format(
        job="start", own="  <numad nodeset='1' cpuset='8-15'/>\n", nodes="placement='auto'")},
], ids=["cpuset", "policy", "libvirt", "advised"])
def test_all_of_it_is_promised_on_its_node(incoming, bound, arriving):
    bound = dict(bound)
    guest = arriving([*bound.pop("args"), *incoming], **bound)
    assert guest.promised_mib() == [0, WHOLE_MIB]
    # Both nodes have as much free memory, and this one has less to do.
    assert guest.answer("1:8000") == {0}
    assert guest.answer("1:28000") == {0}


def test_bound_to_nothing_it_may_come_from_anywhere(arriving):
    guest = arriving(DEFER)
    assert sum(guest.promised_mib()) == WHOLE_MIB
    # A node without it has room for this, and neither has with half of it.
    assert guest.answer("1:20000") == {0, 1}


def test_in_pages_of_a_pool(arriving):
    args = ["-object", f"memory-backend-memfd,id=ram,size={RAM_MIB}M,hugetlb=on,host-nodes=1,policy=bind", *DEFER]
    assert arriving(args).promised_mib() == [0, OVERHEAD_MIB - QEMU_MIB]


@pytest.mark.parametrize("there_mib", [1000, 12000, RAM_MIB - 1000])
def test_what_has_come_is_promised_no_more(there_mib, arriving):
    guest = arriving(DEFER, mems="1", resident_mib=QEMU_MIB + there_mib)
    assert guest.promised_mib() == [0, WHOLE_MIB - there_mib]


@pytest.mark.parametrize("start_s, n_counted", [(200, 1), (50, 2)])
def test_what_was_booked_for_it_is_taken_up(start_s, n_counted, arriving):
    """Advised 1 s before it began: it counts once. An older one is another guest's."""
    booked = promise_line(199, 4, RAM_MIB, "1")
    guest = arriving(DEFER, mems="1", start_s=start_s, files={"run/placed/promises": promises_text([booked])})
    assert guest.promised_mib() == [0, WHOLE_MIB + (n_counted - 1) * (RAM_MIB + OVERHEAD_MIB)]
