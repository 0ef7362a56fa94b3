"""`look --ssh` against a real sshd."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions.look import look
from aami_hpc.config import load
from aami_hpc.errors import NodeError, SlurmNotFound, UnknownNode
from aami_hpc.io.ssh import Local
from aami_hpc.render.plain import to_text
from aami_hpc.testing.sshd import ssh_node
from tests.actions.survey_support import Answers, node
from tests.fleet_survey.support import Root

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.slurm.client import SlurmClient
    from aami_hpc.testing.sshd import SshNode


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.bare(tmp_path / "root")


def none() -> SlurmClient:
    raise SlurmNotFound("Slurm's client commands are not on this machine")


def configured(folder: Path, sshd: SshNode) -> Path:
    """A configuration with one node per port of the server."""
    (folder / "known_hosts").write_text(sshd.known_hosts("127.0.0.1"))
    lines = [
        "ssh:",
        f"  user: {sshd.user}",
        f"  identity_files: [{sshd.keys.client}]",
        f"  known_hosts: {folder / 'known_hosts'}",
        "nodes:",
        *(
            f"  n{place}: {{address: 127.0.0.1, ssh_port: {port}}}"
            for place, port in enumerate(sshd.ports, 1)
        ),
    ]
    file = folder / "config.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


def run(
    root: Root, sshd: SshNode, nodes: str, client: SlurmClient | None = None
) -> tuple[list[dict[str, Any]], str]:
    home = root.path.parent / "home"
    home.mkdir()
    settings = load(configured(home, sshd), environ={"HOME": str(home)})
    local = Local(sshd.user, home, os.getuid(), "head1")
    result = look(settings, ssh=nodes, world=root.world(), connect=lambda: client or none(), local=local)
    return result.data["ssh"], to_text(result.document)


def test_equal_nodes_are_one_line(root: Root) -> None:
    with ssh_node(ports=3) as sshd:
        found, page = run(root, sshd, "")
    assert len(found) == 1
    seen = found[0]
    assert (seen["nodes"], seen["count"], seen["outcome"], seen["source"]) == ("n[1-3]", 3, "ok", "ssh")
    assert seen["arch"] == os.uname().machine
    assert seen["kernel"] == os.uname().release
    assert seen["os"]
    assert isinstance(seen["gpus"], int)
    assert "n[1-3]" in page


def test_a_range_narrows_and_a_typo_is_an_error(root: Root) -> None:
    with ssh_node(ports=2) as sshd:
        found, _ = run(root, sshd, "n2")
        assert found[0]["nodes"] == "n2"
    root.path.parent.joinpath("home").rename(root.path.parent / "old")
    with ssh_node() as sshd, pytest.raises(UnknownNode):
        run(root, sshd, "n7")


def test_a_node_that_refuses_and_one_that_is_switched_off_are_told_apart(root: Root) -> None:
    client = Answers(given_nodes=(node("n1", "IDLE"), node("n2", "IDLE", "POWERED_DOWN")))
    with ssh_node(ports=2, authorized="") as sshd:
        found, page = run(root, sshd, "", client)
    assert [(one["nodes"], one["outcome"]) for one in found] == [("n1", "authentication"), ("n2", "skipped")]
    assert found[1]["detail"] == "IDLE+POWERED_DOWN"
    assert "login refused" in page
    assert "no node could be looked at" in page


def test_a_chatty_login_does_not_disturb(root: Root) -> None:
    with ssh_node(options={"ForceCommand": 'echo Welcome; eval "$SSH_ORIGINAL_COMMAND"; echo Bye'}) as sshd:
        found, _ = run(root, sshd, "")
    assert found[0]["outcome"] == "ok"
    assert found[0]["arch"] == os.uname().machine


def test_without_any_node_there_is_nothing_to_look_at(root: Root, tmp_path: Path) -> None:
    settings = load(environ={"HOME": str(tmp_path), "AAMI_CONFIG": ""})
    with pytest.raises(NodeError, match="no node to look at"):
        look(settings, ssh="", world=root.world(), connect=none)


def test_nothing_is_written_and_no_unknown_host_is_trusted(root: Root) -> None:
    with ssh_node() as sshd:
        home = root.path.parent / "home"
        home.mkdir()
        settings = load(configured(home, sshd), environ={"HOME": str(home)})
        (home / "known_hosts").write_text("")
        before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        local = Local(sshd.user, home, os.getuid(), "head1")
        found = look(settings, ssh="", world=root.world(), connect=none, local=local).data["ssh"]
        after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert found[0]["outcome"] == "host-key-unknown"
    assert after == before
