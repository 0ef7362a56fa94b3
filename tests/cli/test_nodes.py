"""`aami-hpc nodes` as people run it: what it prints on which stream, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.slurm.commands import install, install_silent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.slow

CONFIG = """\
slurm: {{bin_dir: {bin_dir}, timeout: 30s}}
nodes:
  gpu-[001-005]: {{labels: {{rack: r12}}}}
  login1: {{address: 10.0.0.1}}
  old[1-6]: {{gpus: 4, model: v100}}
"""

LIST = """\
NODES          COUNT  ADDRESS    PARTITION   GPUS    STATE                    REASON             EXPORTERS  ALERTS
cloud[1-2]     2      127.0.0.1  all         0       IDLE+CLOUD+POWERED_DOWN                     n/a        n/a
cpu-001        1      127.0.0.1  all,hidden  0       IDLE                                        n/a        n/a
future[1-2]    2      127.0.0.1  all         0       FUTURE                                      n/a        n/a
gpu-[002,004]  2      127.0.0.1  gpu,all     8 h100  IDLE                                        n/a        n/a
gpu-003        1      127.0.0.1  gpu,all     8 h100  MIXED                                       n/a        n/a
gpu-005        1      127.0.0.1  gpu,all     8 h100  IDLE+FAIL                none               n/a        n/a
login1         1      10.0.0.1   -           -       not in Slurm                                n/a        n/a
lone1          1      127.0.0.1  -           0       DOWN                     not in a rack yet  n/a        n/a
old[1-6]       6      as name    -           4 v100  not in Slurm                                n/a        n/a

Exporters and alerts are n/a: this release has no source for them.
"""

DRAINED = """\
NODES    COUNT  ADDRESS    PARTITION  GPUS    STATE       REASON                                                                             EXPORTERS  ALERTS
gpu-001  1      127.0.0.1  gpu,all    8 h100  IDLE+DRAIN  x State=IDLE NodeName=fake [mallory@2020-01-01T00:00:00]\\nNodeName=gpu-900 Arch=…  n/a        n/a

Exporters and alerts are n/a: this release has no source for them.
"""

UNFOLDED = """\
NODE  ADDRESS  PARTITION  GPUS    STATE         REASON  EXPORTERS  ALERTS
old1  old1     -          4 v100  not in Slurm          n/a        n/a
old2  old2     -          4 v100  not in Slurm          n/a        n/a

Exporters and alerts are n/a: this release has no source for them.
"""

SHOW = """\
gpu-002
  Name              gpu-002                             [slurm]
  Address           127.0.0.1                           [slurm]
  Partitions        gpu, all                            [slurm]
  GPUs              8                                   [slurm]
  GPU model         h100                                [slurm]
  CPUs              32                                  [slurm]
  Memory            64000 MB                            [slurm]
  Operating system  Linux 6.1.0-25-amd64 #1 SMP Debian  [slurm]
  Architecture      x86_64                              [slurm]
  slurmd            22.05.8                             [slurm]
  Label rack        r12                                 [{config}:3]
  State             IDLE                                [slurm]
"""

INCOMPLETE = (
    "Incomplete, only the configuration's nodes: Slurm's controller head1 does not answer. "
    "`scontrol ping` finds no controller that is up.\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(bin_dir=install(tmp_path / "bin")))
    return path


def _argv(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "aami_hpc", "--config", str(config), "nodes", *arguments]


def _run(config: Path, *arguments: str) -> tuple[int, str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in {"SLURM_CONF", "AAMI_CONFIG"}}
    done = subprocess.run(
        _argv(config, *arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


def test_list(config: Path) -> None:
    assert _run(config, "list", "--where", "state!=drain") == (0, LIST, "")


def test_list_with_conditions(config: Path) -> None:
    assert _run(config, "list", "--where", "state=drain partition=gpu") == (0, DRAINED, "")


def test_list_one_row_a_node(config: Path) -> None:
    assert _run(config, "list", "old[1-2]", "--unfolded") == (0, UNFOLDED, "")


def test_show(config: Path) -> None:
    assert _run(config, "show", "gpu-002") == (0, SHOW.format(config=config), "")


@pytest.mark.parametrize("flags", [("--json", "list", "gpu-002"), ("list", "gpu-002", "--json")])
def test_list_as_json(config: Path, flags: tuple[str, ...]) -> None:
    status, out, err = _run(config, *flags)
    assert (status, err) == (0, "")
    assert [node["name"] for node in json.loads(out)] == ["gpu-002"]


def test_a_silent_slurm_in_table_and_json(config: Path, tmp_path: Path) -> None:
    config.write_text(
        f"slurm: {{bin_dir: {install_silent(tmp_path / 'down')}}}\nnodes: {{n1: {{gpus: 8}}}}\n"
    )
    status, out, err = _run(config, "list")
    assert (status, err) == (0, "")
    assert f"\n\n{INCOMPLETE}\n" in out
    status, out, err = _run(config, "list", "--json")
    assert (status, err) == (0, f"aami-hpc: warning: {INCOMPLETE}")
    assert [node["name"] for node in json.loads(out)] == ["n1"]
    config.write_text(f"slurm: {{bin_dir: {tmp_path / 'down'}}}\n")
    status, out, err = _run(config, "list")
    assert (status, out) == (42, "")
    assert err.startswith("aami-hpc: error[slurm-unreachable]: Slurm's controller head1 does not answer. ")


ERRORS = {
    ("list", "ALL"): (31, "error[node-set-syntax]: ALL is no node. Slurm takes it for every node there is."),
    ("list", ""): (31, "error[node-set-syntax]: The node set is empty."),
    ("list", "NodeName=gpu-001"): (31, "error[node-set-syntax]: 'NodeName=gpu-001' is no node set."),
    ("show", "gpu-0001"): (32, "error[unknown-node]: No node is called gpu-0001."),
    ("list", "@rack:r13"): (33, "error[unknown-group]: There is no group @rack:r13."),
    ("list", "--where", "stat=drain"): (2, "error[usage]: --where does not know the key 'stat'."),
    ("remove", "gpu-001,cpu-001"): (34, "error[node-conflict]: cpu-001 can't be removed here."),
    ("remove", "old[1-6]"): (2, "error[usage]: Remove from the configuration: 6 nodes need a confirmation"),
    ("remove", "old[1-6]", "--yes=5"): (
        2,
        "error[usage]: --yes=5 does not fit: 6 nodes are meant, old[1-6].",
    ),
    ("add", "old1", "--ip", "10.0.0.1"): (34, "error[node-conflict]: old1 is in the configuration already."),
    ("add", "n1"): (2, "error[usage]: Give NAME and --ip, or --file."),
    ("add", "n1", "--ip", "10.0.0.1", "--label", "x"): (
        2,
        "error[usage]: Invalid value for --label: 'x' is no",
    ),
    ("add", "n1", "--file", "x"): (2, "error[usage]: --file stands alone"),
    ("lst",): (2, "error[usage]: There is no command 'lst'. Did you mean 'list'?"),
}


@pytest.mark.parametrize("arguments", ERRORS, ids=" ".join)
def test_errors(config: Path, arguments: tuple[str, ...]) -> None:
    before = config.read_text()
    status, out, err = _run(config, *arguments)
    wanted, said = ERRORS[arguments]
    assert (status, out) == (wanted, "")
    assert err.startswith(f"aami-hpc: {said}")
    assert err.count("\n") == 1
    assert config.read_text() == before


def test_add_and_remove(config: Path) -> None:
    before = config.read_text()
    status, out, err = _run(
        config, "add", "new1", "--ip", "10.0.0.9", "--gpus", "8", "--model", "h200", "--label", "rack=r13"
    )
    assert (status, err) == (0, "")
    assert out.startswith(f"Added 1 to {config}: new1\n")
    assert _run(config, "list", "@rack:r13")[1].splitlines()[1].split()[:6] == [
        "new1",
        "1",
        "10.0.0.9",
        "-",
        "8",
        "h200",
    ]
    assert _run(config, "remove", "new1") == (0, f"Removed 1 from {config}: new1\n", "")
    assert config.read_text() == before


def test_add_a_file(config: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("# new\nnew1 10.0.0.1 gpus=8\nnew2 10.0.0.2 gpus=8\n")
    status, out, err = _run(config, "add", "--file", str(hosts), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["added"] == ["new1", "new2"]
    hosts.write_text("new3 10.0.0.3\nnew1 10.0.0.1\nnew4\n")
    status, out, err = _run(config, "add", "--file", str(hosts))
    assert (status, out) == (35, "")
    assert err == (
        "aami-hpc: error[hosts-file]: 2 bad lines, nothing was added. line 2: new1 is in the configuration already; "
        "line 3: 'new4' has no address; a line is: name ip [key=value…]. Correct them and add the file again. "
        "A line is: name ip [key=value…].\n"
    )


def test_more_nodes_than_allowed_with_their_number(config: Path) -> None:
    status, out, _ = _run(config, "remove", "old[1-6]", "--yes=6")
    assert (status, out) == (0, f"Removed 6 from {config}: old[1-6]\n")


@pytest.mark.parametrize(("typed", "status"), [("6\n", 0), ("5\n", 1), ("yes\n", 1), ("\n", 1), ("\x04", 1)])
def test_the_number_typed_back(config: Path, typed: str, status: int) -> None:
    before = config.read_text()
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            _argv(config, "remove", "old[1-6]"),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, typed.encode())
        out, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (
        "Remove from the configuration: old[1-6]\nThese are 6 nodes. Type their number to go ahead: " in err
    )
    assert process.returncode == status
    assert (config.read_text() == before) == (status == 1)
    assert ("Nothing was done." in err) == (status == 1)
    assert bool(out) == (status == 0)


def test_test_leaves_absent_nodes_out_and_ends_with_the_answer(config: Path, tmp_path: Path) -> None:
    config.write_text(
        f"slurm: {{bin_dir: {tmp_path / 'bin'}, timeout: 30s}}\nssh: {{connect_timeout: 5s}}\n"
        "nodes: {n1: {address: 127.0.0.1, ssh_port: 1}}\n"
    )
    status, out, _ = _run(config, "test", "n1,cloud1,future1", "--json")
    data = json.loads(out)
    assert {name: node["outcome"] for name, node in data["nodes"].items()} == {"n1": "refused"}
    assert [one["node"] for one in data["skipped"]] == ["cloud1", "future1"]
    assert status == 1


@pytest.mark.parametrize("name", ["list", "show", "add", "remove", "test"])
def test_every_help_has_an_example(config: Path, name: str) -> None:
    status, out, err = _run(config, name, "--help")
    assert (status, err) == (0, "")
    assert f"Example: aami-hpc nodes {name}" in out


@pytest.mark.lab
def test_a_real_cluster(slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    slurm_2205.scontrol(
        "update", "nodename=gpu-002", "state=drain", "reason=fan\nNodeName=gpu-009 State=IDLE"
    )
    path = tmp_path / "config.yaml"
    path.write_text(
        f"slurm: {{conf: {slurm_2205.conf}, bin_dir: {slurm_2205.bin_dir}, timeout: 20s}}\n"
        "nodes: {'gpu-[001-003]': {address: 127.0.0.1, labels: {rack: r1}}}\n"
    )
    status, out, err = _run(path, "list")
    assert (status, err) == (0, "")
    rows = [line.split()[:7] for line in out.splitlines()[1:3]]
    assert rows == [
        ["gpu-[001,003]", "2", "127.0.0.1", "gpu", "8", "h100", "IDLE"],
        ["gpu-002", "1", "127.0.0.1", "gpu", "8", "h100", "IDLE+DRAIN"],
    ]
    assert "fan\\nNodeName=gpu-009 State=IDLE" in out
    status, out, _ = _run(path, "list", "@state:drain&@rack:r1", "--json")
    assert [node["name"] for node in json.loads(out)] == ["gpu-002"]
