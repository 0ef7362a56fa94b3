"""`nodes show`: every field with its origin."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions import nodes_show
from aami_hpc.errors import UnknownNode, UsageFault
from aami_hpc.fleet.record import ago
from aami_hpc.render.document import Facts
from aami_hpc.testing import FakeClock
from tests.fleet.worlds import settings
from tests.slurm.commands import install
from tests.slurm.fake import FakeNode, FakeSlurm

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.actions.result import Result

NOW = datetime(2026, 1, 2, 6, 4, 5, tzinfo=timezone.utc)  # three hours after the fake's reasons
CONFIG = """\
nodes:
  n[1-2]:
    gpus: 4
    ssh_port: 2222
    labels: {rack: r12}
"""


def _show(folder: Path, expression: str, **options: Any) -> Result:
    install(folder / "bin")
    told = settings(folder, f"slurm: {{bin_dir: {folder / 'bin'}}}\n{CONFIG}")
    nodes = [FakeNode("n1", "IDLE+DRAIN", "fan\nbroken"), FakeNode("n2", "FUTURE", hidden=True)]
    return nodes_show.run(told, FakeSlurm(nodes), {}, expression, clock=FakeClock(NOW), **options)


def test_every_field_says_where_it_comes_from(tmp_path: Path) -> None:
    result = _show(tmp_path, "n1")
    (facts,) = result.document
    assert isinstance(facts, Facts)
    told = {fact.label: (fact.value, fact.source) for fact in facts.facts}
    config = tmp_path / "config.yaml"
    assert told == {
        "Name": ("n1", "slurm"),
        "Address": ("10.0.0.2", "slurm"),
        "GPUs": ("4", f"{config}:4"),
        "GPU model": ("h100", "slurm"),
        "CPUs": ("64", "slurm"),
        "Memory": ("1000 MB", "slurm"),
        "Operating system": ("Linux 6.1.0 #1 SMP", "slurm"),
        "Architecture": ("x86_64", "slurm"),
        "slurmd": ("22.05.8", "slurm"),
        "SSH port": ("2222", f"{config}:5"),
        "Label rack": ("r12", f"{config}:6"),
        "State": ("IDLE", "slurm"),
        "Flags": ("DRAIN", "slurm"),
        "Reason": ("fan\nbroken", "slurm"),
        "Set by": ("root", "slurm"),
        "Since": ("2026-01-02T03:04:05Z (3 h ago)", "slurm"),
    }
    assert result.data["origin"]["gpus"] == f"{config}:4"
    assert result.data["state"]["age_s"] == 3 * 3600


def test_an_absent_node_says_so(tmp_path: Path) -> None:
    (facts,) = _show(tmp_path, "n2").document
    assert isinstance(facts, Facts)
    assert any(fact.label == "Absent" for fact in facts.facts)


def test_one_node_only(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="n\\[1-2\\]"):
        _show(tmp_path, "n[1-2]")
    with pytest.raises(UsageFault, match="no node"):
        _show(tmp_path, "@state:maint")
    with pytest.raises(UnknownNode):
        _show(tmp_path, "n3")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "in the future"),
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7300, "2 h ago"),
        (200_000, "2 d ago"),
    ],
)
def test_ages(seconds: int, words: str) -> None:
    assert (
        ago(datetime.fromtimestamp(1e9, timezone.utc), datetime.fromtimestamp(1e9 + seconds, timezone.utc))
        == words
    )
