"""`aami-hpc config …` as typed: output, status, JSON, and what it costs to check ten thousand nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.config import places, schema
from aami_hpc.io.files import previous

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.slurm import SlurmCluster

TEXT = """\
# our cluster
ssh:
  user: root  # as ever
  key_passphrase: hunter2
nodes:
  gpu-[001-003]: {gpus: 8}
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def config(main: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in {"AAMI_CONFIG", "SLURM_CONF"}}
    return subprocess.run(
        [sys.executable, "-m", "aami_hpc", "--config", str(main), "config", *arguments],
        capture_output=True, text=True, check=False, timeout=60, env={**clean, **environ},
    )  # fmt: skip


def answer(main: Path, *arguments: str) -> Any:
    return json.loads(config(main, *arguments, "--json").stdout)


def test_check_says_that_all_is_well(main: Path) -> None:
    done = config(main, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{main}: no problems"
    assert "ssh.key_passphrase stands in the configuration itself" in done.stdout
    assert "hunter2" not in done.stdout


def test_check_lists_every_problem_and_ends_with_no(main: Path) -> None:
    main.write_text("ssh:\n  usr: root\n  port: x\nnodes:\n  gpu-[1: {}\n")
    done = config(main, "check")
    assert (done.returncode, done.stderr) == (1, "")
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()[2:5]]
    assert rows == [f"{main}:{line}" for line in (2, 3, 5)]
    assert "Did you mean ssh.user?" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{main}: 3 problems"
    data = answer(main, "check")
    assert (data["valid"], data["files"], data["live"]) == (False, [str(main)], False)
    assert data["problems"][0] == {
        "file": str(main), "line": 2, "key": "ssh.usr", "reference": "config-invalid",
        "message": "ssh.usr is not a key of the configuration", "hint": "Did you mean ssh.user?",
    }  # fmt: skip


def test_another_command_tells_the_first_problem_in_one_line(main: Path) -> None:
    main.write_text("ssh:\n  usr: root\n  port: x\n")
    done = config(main, "show")
    assert (done.returncode, done.stdout) == (23, "")
    assert done.stderr == (
        f"aami-hpc: error[config-invalid]: {main}:2 ssh.usr is not a key of the configuration. "
        "Did you mean ssh.user? And 1 more: aami-hpc config check lists them.\n"
    )


def test_a_key_can_forge_no_line_of_output(main: Path) -> None:
    main.write_text('"ssh\\n/etc/aami-hpc/config.yaml: no problems\\e[2J": 1\n')
    done = config(main, "check")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\n/etc" not in done.stdout


def test_show_hides_secrets_and_says_where_values_are_from(main: Path) -> None:
    done = config(main, "show", "--origin")
    assert done.returncode == 0
    assert f"  user: root  # {main}:3" in done.stdout
    assert f'  key_passphrase: "***"  # {main}:4' in done.stdout
    assert "  uploads: 16  # built-in default" in done.stdout
    data = answer(main, "show", "--origin")
    assert data["settings"]["ssh"]["key_passphrase"] == "***"
    assert data["settings"]["nodes"] == {"gpu-[001-003]": {"gpus": 8}}
    assert data["origin"]["nodes.gpu-[001-003].gpus"] == f"{main}:6"
    assert "hunter2" not in str(data) + done.stdout


def test_path_prints_the_files_in_force(main: Path, tmp_path: Path) -> None:
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d/10.yaml").write_text("cluster: {name: alpha}")
    assert config(main, "path").stdout == f"{main}\n{tmp_path}/config.d/10.yaml\n"
    assert answer(main, "path") == {
        "files": [str(main), f"{tmp_path}/config.d/10.yaml"],
        "searched": [str(main)],
    }


def test_path_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from aami_hpc.actions.config import path
    from aami_hpc.render.plain import to_text

    monkeypatch.setattr(places, "SYSTEM", tmp_path / "config.yaml")
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("AAMI_CONFIG", raising=False)
    result = path(None)
    assert result.data == {"files": [], "searched": [str(tmp_path / "config.yaml")]}
    assert (
        to_text(result.document)
        == f"No configuration file: built-in defaults. Looked for {tmp_path}/config.yaml.\n"
    )


@pytest.mark.parametrize(
    ("key", "printed"),
    [
        ("ssh.user", "root"), ("ssh.port", "null"), ("ssh.keepalive", "15s"), ("ssh.key_passphrase", "***"),
        ("ssh.gssapi", "true"), ("ssh.identity_files", "[]"), ("nodes.gpu-[001-003].gpus", "8"), ("cluster.name", ""),
        ("slurm", "{conf: null, bin_dir: null, timeout: 3s}"), ("groups", "{}"),
    ],
)  # fmt: skip
def test_get_prints_the_value(main: Path, key: str, printed: str) -> None:
    done = config(main, "get", key)
    assert (done.returncode, done.stdout.strip()) == (0, printed)


def test_get_as_json(main: Path) -> None:
    assert answer(main, "get", "ssh.user") == {"key": "ssh.user", "value": "root", "origin": f"{main}:3"}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("ssh.usr", "There is no key ssh.usr. Did you mean ssh.user?"), ("shh", "There is no key shh. Did you mean ssh?"),
        ("ssh.user.x", "There is no key ssh.user.x. ssh.user has no keys below it."),
        ("nodes.gpu-[001-004]", "nodes.gpu-[001-004] is not set. Did you mean nodes.gpu-[001-003]?"),
        ("a..b", "'a..b' can't be read as a key. Keys look like ssh.user."),
        ("groups.rack", "groups.rack is not set."),
    ],
)  # fmt: skip
def test_a_key_that_is_none_names_the_nearest(main: Path, key: str, told: str) -> None:
    done = config(main, "get", key)
    assert (done.returncode, done.stderr) == (2, f"aami-hpc: error[usage]: {told}\n")


def test_set_writes_and_says_so(main: Path) -> None:
    done = config(main, "set", "ssh.user", "admin")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ssh.user is set in {main}:3" in done.stdout
    assert str(previous(main)) in done.stdout
    assert main.read_text() == TEXT.replace("root  #", "admin #")
    assert answer(main, "set", "ssh.port", "22") == {
        "key": "ssh.port", "file": str(main), "line": 5, "previous": str(previous(main)),
    }  # fmt: skip


def test_set_refuses_what_would_be_wrong(main: Path) -> None:
    for key, value, status in (("ssh.connections", "-1", 23), ("ssh.usr", "x", 2), ("ssh.user", "[a", 2)):
        done = config(main, "set", key, value)
        assert (done.returncode, done.stdout) == (status, "")
    assert main.read_text() == TEXT


def test_set_remarks_on_a_literal_secret_without_telling_it(main: Path) -> None:
    done = config(main, "set", "ssh.key_passphrase", "swordfish")
    assert "The secret now stands in that file" in done.stdout
    assert "swordfish" not in done.stdout
    done = config(main, "set", "ssh.key_passphrase", "[swordfish]", "--verbose")
    assert "swordfish" not in done.stdout + done.stderr


def test_a_traceback_tells_no_secret(main: Path) -> None:
    main.write_text(f"{TEXT}bad: [")
    done = config(main, "show", "--verbose")
    assert "Traceback" in done.stderr
    assert "hunter2" not in done.stderr


def test_schema_is_the_shipped_schema(main: Path) -> None:
    assert json.loads(config(main, "schema").stdout) == schema.schema() == answer(main, "schema")


def test_checking_imports_neither_the_models_nor_anything_else_that_is_slow(main: Path) -> None:
    """Ten thousand nodes in at most fifteen times an empty interpreter: pydantic alone would be half of that."""
    ranges = "".join(f"  gpu-[{rack}001-{rack}100]: {{gpus: 8}}\n" for rack in range(10, 110))
    main.write_text(f"nodes:\n{ranges}groups:\n  rack:\n    r1: gpu-[10001-10100]\n")
    script = (
        "import sys; from aami_hpc.actions.config import check; from pathlib import Path\n"
        "assert check(Path(sys.argv[1])).yes\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(main)], capture_output=True, text=True, check=True
    ).stdout.split()
    own = {name for name in done if not name.startswith(("_", "cython", "sitecustomize"))}
    assert own == {"aami_hpc", "yaml"}


@pytest.mark.lab
def test_check_live_asks_a_real_slurm(main: Path, slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    environ = {"SLURM_CONF": str(slurm_2205.conf), "PATH": f"{slurm_2205.bin_dir}:{os.environ['PATH']}"}
    known = tmp_path / "known_hosts"
    known.write_text("")
    known_text = f"{TEXT.replace('hunter2', '${PASS}')}groups: {{rack: {{r1: '{slurm_2205.nodes[0]}'}}}}\n"
    text = known_text.replace("user: root", f"known_hosts: {known}\n  user: root")
    text = text.replace("gpu-[001-003]", ",".join(slurm_2205.nodes))
    main.write_text(text)
    done = config(main, "check", "--live", PASS="x", **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{main}: no problems\n", "")
    main.write_text(text.replace("{gpus: 8}", "{gpus: 8}\n  far-[1-9]: {}"))
    done = config(main, "check", "--live", PASS="x", **environ)
    assert done.returncode == 1
    assert "nodes.far-[1-9] has the range far-[1-9], which matches no node that Slurm knows" in done.stdout
    slurm_2205.stop_controller()
    done = config(main, "check", "--live", PASS="x", **environ)
    assert done.returncode == 1
    assert str(slurm_2205.ports.controller) in done.stdout
