"""Ports of a run: free, in a row, and nobody else's."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.lab import ledger, ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ROOT", tmp_path / "runs")
    monkeypatch.setattr(ports, "ROOT", tmp_path / "runs")


def _few(monkeypatch: pytest.MonkeyPatch, blocks: int) -> int:
    """Leave only so many blocks to choose from; the first port of them."""
    leased = ports.lease(blocks * ports._BLOCK)
    leased.release()
    monkeypatch.setattr(ports, "_FIRST", leased[0])
    monkeypatch.setattr(ports, "_LAST", leased[0] + blocks * ports._BLOCK)
    return leased[0]


def test_two_leases_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    _few(monkeypatch, 2)
    one, two = ports.lease(5), ports.lease(70)
    assert abs(one[0] - two[0]) == ports._BLOCK
    with pytest.raises(ledger.LabError, match="no 5 free ports"):
        ports.lease(5)
    one.release()
    assert ports.lease(5)[0] == one[0]


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _few(monkeypatch, 1)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", first + 3))
        busy.listen()
        assert ports.listening(first + 3)
        assert ports.lease(3)[0] == first
        with pytest.raises(ledger.LabError):
            ports.lease(4)
    assert not ports.listening(first + 3)


def test_a_lease_does_not_leak_into_children() -> None:
    leased = ports.lease(1)
    assert not any(os.get_inheritable(lock) for lock in leased._locks)
