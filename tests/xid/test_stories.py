"""The stories, from the lines as they were published: each comes out as one group."""

from collections.abc import Iterable

import aami_xid
from aami_xid.story import Group
from tests.xid.lines import about


def groups(lines: Iterable[str]) -> list[Group]:
    return aami_xid.group(aami_xid.read(lines))


def test_a_lost_gpu_with_its_switches() -> None:
    (group,) = groups(about("[67817"))
    assert group.title == "GPU 0000:91:00 lost"
    assert group.gpus == [
        {
            "bus_id": "0000:91:00",
            "uuid": "GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b",
            "serial": "1653723052734",
        }
    ]
    assert group.switches == ["0000:05:00", "0000:06:00", "0000:07:00"]


def test_the_memory_family() -> None:
    (group,) = aami_xid.group(aami_xid.read(about("0000:55:00"), year=2025))
    assert set(group.codes) == {"xid:48", "xid:171", "xid:63", "xid:154"}
    assert (group.root.code, group.action, group.host) == (48, "drain-and-reset", "gpu-node-a")


def test_nvlink5_on_gb200() -> None:
    (group,) = groups(about("[1711"))
    assert (group.root.code, group.root.bus_id, group.action) == (149, "0009:01:00", "drain-and-reset")
    assert "other end is the source" in group.summary


def test_refused_peer_access_that_looks_like_memory() -> None:
    (group,) = groups(about("Feb 2 22:52:45 2026"))
    assert (group.story["name"], group.action) == ("peer-access", "tell-user")


def test_lines_before_the_first_time_belong_to_it() -> None:
    lines = about("0009:01:00", "0018:01:00): 14", "0008:01:00", "0019:01:00")
    assert any(text.startswith("NVRM") for text in lines)
    assert any(text.startswith("[") for text in lines)
    (group,) = groups(lines)
    assert group.story["name"] == "nvlink5"
