"""`explain log --node`: the kernel logs of nodes, from real sshds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions.explain_nodes import ask
from aami_hpc.actions.explain_sources import Reading
from aami_hpc.config import load
from aami_hpc.errors import SshError
from aami_hpc.io.ssh import Local
from aami_hpc.testing.sshd import ssh_node
from tests.actions.test_look_ssh import configured

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.testing.sshd import SshNode
    from aami_xid.event import Event

XID = "NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."
ENTRY = f'{{"_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"1700000000000000","_HOSTNAME":"localhost","MESSAGE":"{XID}"}}'


def programs(folder: Path, **bodies: str) -> dict[str, str]:
    """Options of an sshd whose sessions find these programs first."""
    for name, body in bodies.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return {"SetEnv": f"PATH={folder}:/usr/bin:/bin"}


def read(tmp_path: Path, sshd: SshNode, nodes: str, reading: Reading) -> list[Event]:
    home = tmp_path / "home"
    home.mkdir()
    settings = load(configured(home, sshd), environ={"HOME": str(home)})
    return list(ask(settings, nodes, reading, None, Local(sshd.user, home, os.getuid(), "head1")))


def test_the_journal_of_every_node_under_its_slurm_name(tmp_path: Path) -> None:
    journal = (
        f'case "$*" in *cat*) echo x;; *since=@12*) echo \'{ENTRY}\'; echo \'{{"MESSAGE":"usb"}}\';; esac'
    )
    reading = Reading(since=12.5)
    with ssh_node(ports=2, options=programs(tmp_path, journalctl=journal)) as sshd:
        events = read(tmp_path, sshd, "n[1-2]", reading)
    assert [(event.host, event.code, event.bus_id) for event in events] == [
        ("n1", 79, "0000:c1:00"),
        ("n2", 79, "0000:c1:00"),
    ]
    assert not reading.partial


def test_without_a_journal_dmesg_is_read(tmp_path: Path) -> None:
    options = programs(tmp_path, journalctl="exit 1", dmesg=f"echo '[1.0] {XID}'; echo '[2.0] usb'")
    with ssh_node(options=options) as sshd:
        events = read(tmp_path, sshd, "n1", Reading())
    assert [event.code for event in events] == [79]


def test_a_node_whose_log_can_not_be_read_is_no_healthy_node(tmp_path: Path) -> None:
    options = programs(tmp_path, journalctl="exit 0", dmesg="echo 'Operation not permitted' >&2; exit 1")
    with ssh_node(options=options) as sshd, pytest.raises(SshError) as met:
        read(tmp_path, sshd, "n1", Reading())
    assert "neither the journal nor dmesg" in met.value.cause


def test_one_node_of_many_that_can_not_be_read_is_a_remark(tmp_path: Path) -> None:
    mark = tmp_path / "first"
    journal = f"mkdir {mark} 2>/dev/null && exit 0; case \"$*\" in *cat*) echo x;; *) echo '{ENTRY}';; esac"
    reading = Reading()
    options = programs(tmp_path, journalctl=journal, dmesg="exit 1")
    with ssh_node(ports=2, options=options) as sshd:
        events = read(tmp_path, sshd, "n[1-2]", reading)
    assert len(events) == 1
    assert reading.partial
    assert any("was not read: command failed" in remark for remark in reading.remarks)
