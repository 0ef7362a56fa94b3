"""`nodes test` against real SSH servers: outcomes told apart and merged, facts read, absent nodes skipped."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions import nodes_test
from aami_hpc.config import load
from aami_hpc.fleet.inventory import build
from aami_hpc.io.ssh import MEANINGS, Kind
from aami_hpc.model.node import Node, NodeState
from aami_hpc.render.plain import to_text
from aami_hpc.testing import FakeClock
from aami_hpc.testing.sshd import SshNode, make_key, make_keys, ssh_node
from tests.io.ssh_support import local, talker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.actions.result import Result

pytestmark = pytest.mark.slow

KEYS = {"outcome", "detail", "evidence", "seconds", "facts"}


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node(ports=16) as started:
        yield started


class Heard:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def start(self, label: str, total: int) -> None:
        self.events.append(f"{label} {total}")

    def step(self, note: str = "") -> None:
        self.events.append(note)

    def finish(self) -> None:
        self.events.append("finished")


class Site:
    """A configuration file, and its nodes."""

    def __init__(self, folder: Path, *servers: SshNode) -> None:
        self.folder = folder
        self.lines: dict[str, str] = {}
        self.ssh = {
            "config_file": str(folder / "ssh_config"),
            "known_hosts": str(folder / "known_hosts"),
            "identity_files": json.dumps([str(server.keys.client) for server in servers[:1]]),
            "connect_timeout": "20s",
        }
        (folder / "ssh_config").write_text("IdentityAgent none\nGlobalKnownHostsFile none\n")
        (folder / "known_hosts").write_text("")

    def add(self, name: str, port: int, *, known: str = "", **more: str) -> None:
        fields = {"address": "127.0.0.1", "ssh_port": str(port), **more}
        self.lines[name] = ", ".join(f"{key}: {value}" for key, value in fields.items())
        with (self.folder / "known_hosts").open("a") as stream:
            stream.write(f"[{name}]:{port} {known}\n" if known else "")

    def config(self) -> Path:
        path = self.folder / "config.yaml"
        ssh = "".join(f"  {key}: {value}\n" for key, value in self.ssh.items())
        nodes = "".join(f"  {name}: {{{fields}}}\n" for name, fields in self.lines.items())
        path.write_text(f"ssh:\n{ssh}nodes:\n{nodes}")
        return path

    def test(self, *more: Node, **wishes: Any) -> Result:
        settings = load(self.config())
        nodes = [*build(settings, ()).nodes, *more]
        return nodes_test.run(settings, nodes, local=local(self.folder), **wishes)


def test_all_is_well(node: SshNode, tmp_path: Path) -> None:
    site, heard = Site(tmp_path, node), Heard()
    for number, port in enumerate(node.ports, 1):
        site.add(f"gpu-{number:03}", port, known=node.keys.host_public)
    result = site.test(progress=heard)
    assert result.yes
    assert set(result.data) == {"nodes", "groups", "skipped", "remarks"}
    assert result.data["groups"] == [
        {"outcome": "ok", "nodes": "gpu-[001-016]", "count": 16, "detail": "", "hint": ""}
    ]
    assert set(result.data["nodes"]) == set(site.lines)
    found = result.data["nodes"]["gpu-001"]
    assert set(found) == KEYS
    assert found["facts"]["uid"] == os.getuid()
    assert found["facts"]["hostname"] == os.uname().nodename
    assert found["facts"]["python_version"].count(".") == 2
    assert found["facts"]["clock_offset"] in {-1, 0, 1}
    assert heard.events[0] == "Testing SSH 16"
    assert sorted(heard.events[1:-1]) == sorted(site.lines)
    assert heard.events[-1] == "finished"
    assert to_text(result.document).startswith("16 of 16 nodes can be reached and used by SSH\n")
    json.dumps(result.data)


def test_each_trouble_has_its_own_word_and_equal_ones_are_merged(node: SshNode, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other").host_public
    nologin = {"ForceCommand": "echo This account is currently not available.; exit 1"}
    site = Site(tmp_path, node)
    site.ssh["connect_timeout"] = "3s"
    with (
        talker(hold=True) as silent,
        ssh_node(keys=node.keys, options=nologin) as shut,
        ssh_node(authorized="") as strict,
    ):
        site.add("gpu-001", node.ports[0], known=node.keys.host_public)
        site.add("gpu-002", node.ports[1])
        site.add("gpu-003", node.ports[2])
        site.add("gpu-004", node.ports[3], known=other)
        site.add("gpu-005", silent)
        site.add("gpu-006", shut.port, known=shut.keys.host_public)
        site.add("gpu-007", strict.port, known=strict.keys.host_public)
        site.add("gpu-008", 1)
        site.add("gpu-009", 1)
        site.add("gpu-010", 22, address="gpu-010.invalid")
        missing = Node("gpu-010", "gpu-010.invalid")
        site.lines.pop("gpu-010")
        result = site.test(missing)
    assert not result.yes
    merged = {(group["outcome"], group["nodes"]) for group in result.data["groups"]}
    assert merged == {
        ("ok", "gpu-001"),
        ("host-key-unknown", "gpu-[002-003]"),
        ("host-key-changed", "gpu-004"),
        ("timeout", "gpu-005"),
        ("no-shell", "gpu-006"),
        ("authentication", "gpu-007"),
        ("refused", "gpu-[008-009]"),
        ("name-unknown", "gpu-010"),
    }
    assert [group["count"] for group in result.data["groups"]][:2] == [2, 2]
    assert result.data["groups"][-1]["outcome"] == "ok"
    assert all(group["hint"] for group in result.data["groups"][:-1])
    text = to_text(result.document)
    assert "1 of 10 nodes can be reached and used by SSH" in text
    assert "What to do" in text
    assert text.count("SHA256:") == 4  # both unknown ones, and the shown and the known one of the changed
    assert result.data["nodes"]["gpu-002"]["facts"] is None


def test_absent_nodes_are_skipped_and_said(node: SshNode, tmp_path: Path) -> None:
    site = Site(tmp_path, node)
    site.add("gpu-001", node.port, known=node.keys.host_public)
    absent = [
        Node("gpu-002", "10.99.0.1", state=NodeState("IDLE", frozenset({"POWERED_DOWN"}))),
        Node("gpu-003", "10.99.0.1", state=NodeState("FUTURE")),
    ]
    result = site.test(*absent)
    assert result.yes
    assert result.data["skipped"] == [
        {"node": "gpu-002", "state": "IDLE+POWERED_DOWN"},
        {"node": "gpu-003", "state": "FUTURE"},
    ]
    assert set(result.data["nodes"]) == {"gpu-001"}
    assert "1 of 1 nodes can be reached and used by SSH; 2 skipped" in to_text(result.document)


def test_nothing_to_test(tmp_path: Path) -> None:
    result = Site(tmp_path).test()
    assert result.yes
    assert result.data["groups"] == []
    assert "No nodes to test" in to_text(result.document)


def test_new_keys_are_remembered_only_when_told(node: SshNode, tmp_path: Path) -> None:
    site = Site(tmp_path, node)
    site.add("gpu-001", node.port)
    assert site.test().data["groups"][0]["outcome"] == "host-key-unknown"
    assert site.test(accept_new_host_keys=True).yes
    assert site.test().yes


def test_user_and_port_of_a_range(node: SshNode, tmp_path: Path) -> None:
    site = Site(tmp_path, node)
    site.ssh["user"] = "nobody-of-that-name"
    site.ssh["port"] = "1"
    site.add("gpu-001", node.port, known=node.keys.host_public, ssh_user=node.user)
    assert site.test().yes


def test_what_surprises_is_remarked(tmp_path: Path) -> None:
    shell = tmp_path / "login"
    shell.write_text(
        "#!/bin/sh\necho welcome\n"
        f'PATH={tmp_path}/bin exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'  # no Python there
    )
    shell.chmod(0o755)
    (tmp_path / "bin").mkdir()
    for name in ("id", "uname", "date", "sleep"):
        (tmp_path / "bin" / name).symlink_to(
            f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}"
        )
    clock = FakeClock(datetime.now(timezone.utc) - timedelta(hours=1))
    with ssh_node(options={"ForceCommand": str(shell)}) as node:
        site = Site(tmp_path, node)
        site.add("gpu-001", node.port, known=node.keys.host_public)
        result = site.test(clock=clock)
    assert result.yes
    facts = result.data["nodes"]["gpu-001"]["facts"]
    assert abs(facts["clock_offset"] - 3600) < 30
    assert facts["noise"]
    said = " ".join(result.data["remarks"])
    for words in ("Clocks are off", "Another host name", "No Python 3.6", "Login scripts print"):
        assert words in said
    assert "gpu-001" in to_text(result.document)


def test_hostile_answers_are_data(tmp_path: Path) -> None:
    """A node may print what it likes: it becomes text, cut and escaped, never more."""
    shell = tmp_path / "login"
    shell.write_text(
        "#!/bin/sh\nexport PATH=" + str(tmp_path) + ':$PATH\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    shell.chmod(0o755)
    for name, says in (("uname", "\\033]0;owned\\007\\nuid=0\\nnoexec=yes"), ("id", "99999999999999999999")):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '{says}\\n'\n")
        (tmp_path / name).chmod(0o755)
    with ssh_node(options={"ForceCommand": str(shell)}) as node:
        site = Site(tmp_path, node)
        site.add("gpu-001", node.port, known=node.keys.host_public)
        result = site.test()
    assert result.yes
    assert "\x1b" not in to_text(result.document)
    assert result.data["nodes"]["gpu-001"]["facts"]["hostname"].startswith("\x1b")


def test_every_outcome_has_a_word_and_a_hint_and_a_place_in_the_manual() -> None:
    manual = Path("docs/ssh.md").read_text()
    for kind in Kind:
        meaning = MEANINGS[kind]
        assert meaning.says
        assert f"`{kind.value}`" in manual
        if kind is not Kind.OK:
            assert meaning.hint
            assert meaning.hint in " ".join(manual.split()), kind
            assert not meaning.hint.endswith(".")


def test_the_command_itself(node: SshNode, tmp_path: Path) -> None:
    site = Site(tmp_path, node)
    site.add("gpu-001", node.port, known=node.keys.host_public)
    site.add("gpu-002", 1)
    argv = [
        sys.executable,
        "-m",
        "aami_hpc",
        "nodes",
        "test",
        "gpu-[001-002]",
        "--json",
        "--config",
        str(site.config()),
    ]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "SLURM_CONF": ""}
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert {group["outcome"] for group in found["groups"]} == {"ok", "refused"}


def test_ctrl_c_ends_at_once_and_leaves_a_clean_terminal(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with talker(hold=True) as silent:
        site.add("gpu-001", silent)
        argv = [sys.executable, "-m", "aami_hpc", "nodes", "test", "--config", str(site.config())]
        ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "SLURM_CONF": ""}
        with subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        ) as process:
            os.close(theirs)
            shown = b""
            while b"Testing SSH" not in shown:
                shown += os.read(ours, 4096)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # the terminal has no more writers
                while piece := os.read(ours, 4096):
                    shown += piece
            assert process.wait(20) == 130
            assert time.monotonic() - began < 10
        os.close(ours)
    assert b"Traceback" not in shown
    assert shown.rstrip().endswith(b"aami-hpc: interrupted")
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l") > 0  # the cursor is back


def test_a_key_that_can_not_be_used_is_one_error_not_one_for_each_node(node: SshNode, tmp_path: Path) -> None:
    site = Site(tmp_path, node)
    site.ssh["identity_files"] = json.dumps([str(make_key(tmp_path / "key", passphrase="open sesame"))])
    for number, port in enumerate(node.ports, 1):
        site.add(f"gpu-{number:03}", port, known=node.keys.host_public)
    heard = Heard()
    with pytest.raises(Exception, match="It has a passphrase") as told:
        site.test(progress=heard)
    assert type(told.value).__name__ == "SshAuthentication"
    assert heard.events[-1] == "finished"
