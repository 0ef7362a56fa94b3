"""hosts.txt: what is read, and that every bad line is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.errors import HostsFileInvalid
from aami_hpc.fleet.hosts import is_address, parse

GOOD = """\
# nodes of the new rack
gpu-101 10.0.0.101
gpu-102\t10.0.0.102   gpus=8 model=h200 partition=gpu,all rack=r14 ssh_user=ops ssh_port=2222  # second

gpu-103 fe80::103
gpu-104 gpu-104.mgmt.site note=${HOME}\r
"""


def test_names_addresses_and_keys() -> None:
    found = {host.name: host.entry() for host in parse(GOOD)}
    assert found == {
        "gpu-101": {"address": "10.0.0.101"},
        "gpu-102": {
            "address": "10.0.0.102",
            "gpus": 8,
            "model": "h200",
            "partitions": ["gpu", "all"],
            "ssh_user": "ops",
            "ssh_port": 2222,
            "labels": {"rack": "r14"},
        },
        "gpu-103": {"address": "fe80::103"},
        "gpu-104": {"address": "gpu-104.mgmt.site", "labels": {"note": "$${HOME}"}},
    }


BAD = {
    "n1": "'n1' has no address",
    "n1 10.0.0.999": "'10.0.0.999' is neither an IP address nor a host name",
    "n1 10.0.0": "'10.0.0' is neither",
    "n1 ho_st!": "'ho_st!' is neither",
    "n1 -x": "'-x' is neither",
    "n1 {name}": "'{name}' is neither",
    "ALL 10.0.0.1": "'ALL' can't be the name",
    "n[1-2] 10.0.0.1": "'n[1-2]' can't be the name",
    "-n 10.0.0.1": "'-n' can't be the name",
    "n1 10.0.0.1 gpus=many": "gpus='many' is no number up to 1024",
    "n1 10.0.0.1 gpus=1025": "no number up to 1024",
    "n1 10.0.0.1 ssh_port=70000": "no number up to 65535",
    "n1 10.0.0.1 rack": "'rack' is no key=value",
    "n1 10.0.0.1 =r1": "'=r1' is no key=value",
    "n1 10.0.0.1 rack=": "'rack=' is no key=value",
    "n1 10.0.0.1 rack=a rack=b": "rack is given twice",
    "n1 10.0.0.1 gpu=8": "gpu is no key: keys are gpus, model",
    "n1 10.0.0.1 rack=\x1b[2J": "is no key=value",
    "old 10.0.0.1": "old is in the configuration already",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_told_with_its_number(line: str) -> None:
    with pytest.raises(HostsFileInvalid) as caught:
        parse(f"# first\nok 10.0.0.1\n{line}\n", present={"old"})
    assert caught.value.message == "1 bad line, nothing was added"
    assert caught.value.cause.startswith("line 3: ")
    assert BAD[line] in caught.value.cause


def test_all_bad_lines_are_told_at_once() -> None:
    text = "\n".join(BAD)
    with pytest.raises(HostsFileInvalid) as caught:
        parse(text, present={"old"})
    assert caught.value.message == f"{len(BAD)} bad lines, nothing was added"
    for number in range(1, len(BAD) + 1):
        assert f"line {number}: " in caught.value.cause


def test_of_very_many_bad_lines_some_are_told_by_number_only() -> None:
    with pytest.raises(HostsFileInvalid) as caught:
        parse("x\n" * 30)
    assert "line 20: 'x' has no address" in caught.value.cause
    assert caught.value.cause.endswith("; and the lines 21, 22, 23, 24, 25, 26, 27, 28, 29, 30")


def test_a_name_that_comes_twice() -> None:
    with pytest.raises(HostsFileInvalid, match="line 3: n1 is on line 1 already"):
        parse("n1 10.0.0.1\nn2 10.0.0.2\nn1 10.0.0.3\n")


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "2001:db8::7", "head1", "a.b-c.d", "x_1.site"])
def test_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address", ["", ".", "a..b", "-a", "a-", "1.2.3", "a b", "a/b", "a:1", "a" * 64, "a.b."]
)
def test_what_is_no_address(address: str) -> None:
    assert not is_address(address)


@given(st.text())
def test_any_text_is_hosts_or_one_error(text: str) -> None:
    try:
        found = parse(text)
    except HostsFileInvalid:
        return
    assert len({host.name for host in found}) == len(found)
