"""presets/software.yaml: all of it loads and makes sense."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import DamagedInstallation
from aami_hpc.fleet.survey.software import known

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "metrics", "alerts", "dashboards", "logs", "exporter", "GPU service", "node health", "monitoring",
    "configuration management",
}  # fmt: skip


def test_every_entry_has_something_to_be_known_by() -> None:
    for entry in known():
        assert entry.kind in KINDS, entry.name
        assert entry.processes or entry.units or entry.packages or entry.paths, entry.name
        assert all(path.startswith("/") and path.isascii() for path in entry.paths), entry.name
        assert all("." in unit for unit in entry.units), entry.name
        assert all(mark == mark.lower() for mark in entry.marks), entry.name


@pytest.mark.parametrize("what", ["name", "processes", "units", "packages", "paths", "marks"])
def test_nothing_is_known_twice(what: str) -> None:
    words = [getattr(entry, what) for entry in known()]
    flat = words if what == "name" else [word for group in words for word in group]
    assert [word for word, count in Counter(flat).items() if count > 1] == []


def test_every_port_is_used_once_and_ours_say_where() -> None:
    ports = [port for entry in known() for port in entry.ports]
    assert len({port.port for port in ports}) == len(ports)
    assert all(0 < port.port < 65536 for port in ports)
    assert all(bool(port.ours) == bool(port.where) for port in ports)
    assert {port.where for port in ports} == {"", "head", "node", "head and node"}
    assert {9090, 9093, 3000, 9100, 9400} <= {port.port for port in ports if port.ours}


@pytest.mark.parametrize(
    "text",
    ["software: [{name: a}]", "a: [", "software: [{name: a, kind: b, colour: red}]", "software: 3", ""],
)
def test_a_damaged_file_is_one_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "software.yaml"
    file.write_text(text)
    with pytest.raises(DamagedInstallation):
        known(file)
