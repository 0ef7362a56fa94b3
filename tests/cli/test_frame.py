"""The frame of the command: what it imports, near misses, options anywhere, and how a run ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from aami_hpc import __version__, errors
from aami_hpc.cli import ending, frame, root
from aami_hpc.cli.context import App
from aami_hpc.cli.table import COMMANDS

AAMI = [sys.executable, "-m", "aami_hpc"]


def aami(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AAMI, *arguments], capture_output=True, text=True, check=False, timeout=60)


def modules_after(code: str) -> set[str]:
    script = (
        f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    return set(
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_help_imports_click_and_nothing_else() -> None:
    loaded = modules_after(
        "sys.argv = ['aami-hpc', '--help']\nimport contextlib, io\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    from aami_hpc.cli import main; main()"
    )
    third_party = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert third_party == {"aami_hpc", "click"}
    ours = {name for name in loaded if name.startswith("aami_hpc")}
    assert ours == {
        "aami_hpc", "aami_hpc.cli", "aami_hpc.cli.context", "aami_hpc.cli.ending", "aami_hpc.cli.frame",
        "aami_hpc.cli.table",
    }  # fmt: skip
    assert not {"asyncio", "dataclasses", "json", "logging", "pathlib"} & loaded


def test_every_row_of_the_table_is_a_command_with_help_and_an_example() -> None:
    for row in COMMANDS:
        command = root.get_command(click.Context(root), row.name)
        assert command is not None
        for told in _with_subcommands(command):
            assert told.help, told.name
            assert "Example" in (told.epilog or ""), (row.name, told.name)


def _with_subcommands(command: click.Command) -> list[click.Command]:
    subs = list(command.commands.values()) if isinstance(command, click.Group) else []
    return [command, *(found for sub in subs for found in _with_subcommands(sub))]


def test_version_and_bare_call() -> None:
    assert aami("--version").stdout == f"aami-hpc {__version__}\n"
    bare = aami()
    assert bare.returncode == 0
    assert bare.stdout.startswith("Usage: aami-hpc")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["nods"], "'nodes'"),
        (["config", "chekc"], "'check'"),
        (["nodes", "list", "--wher", "a=b"], "--where"),
        (["--jsn"], "--json"),
    ],
)
def test_a_near_miss_names_the_nearest(arguments: list[str], nearest: str) -> None:
    done = aami(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("aami-hpc: error[usage]: ")
    assert nearest in done.stderr


def test_global_options_work_before_and_after(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("cluster:\n  name: alpha\n")
    orders = (
        ["--config", str(config), "--json", "config", "get", "cluster.name"],
        ["config", "--config", str(config), "get", "cluster.name", "--json"],
        ["config", "get", "--json", "cluster.name", "--config", str(config)],
    )
    answers = [aami(*order) for order in orders]
    assert {done.returncode for done in answers} == {0}
    assert len({done.stdout for done in answers}) == 1
    assert json.loads(answers[0].stdout)["value"] == "alpha"


def test_errors_are_objects_with_json(tmp_path: Path) -> None:
    done = aami("config", "check", "--json", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == errors.ConfigNotFound.exit_status
    assert json.loads(done.stderr)["error"]["reference"] == "config-not-found"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = aami("completion", shell)
    assert done.returncode == 0
    assert "_AAMI_HPC_COMPLETE" in done.stdout


def test_completion_answers_from_the_table_alone() -> None:
    environment = {
        **os.environ,
        "_AAMI_HPC_COMPLETE": "bash_complete",
        "COMP_WORDS": "aami-hpc no",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(AAMI, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,nodes"]


def test_completion_of_subcommands_and_options() -> None:
    environment = {
        **os.environ, "_AAMI_HPC_COMPLETE": "bash_complete", "COMP_WORDS": "aami-hpc nodes te", "COMP_CWORD": "2",
    }  # fmt: skip
    done = subprocess.run(AAMI, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,test"]


def test_a_broken_pipe_is_silent() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([*AAMI, "config", "schema"], stdout=write, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    """A real interrupt while a real child hangs: the run ends at once, and so does the child."""
    pid = tmp_path / "pid"
    for program in ("scontrol", "sinfo", "squeue", "sacct"):
        stub = tmp_path / program
        stub.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60\n")
        stub.chmod(0o755)
    (tmp_path / "config.yaml").write_text(f"slurm: {{bin_dir: {tmp_path}, timeout: 50s}}\n")
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *AAMI, "nodes", "list", "--config", str(tmp_path / "config.yaml")],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not pid.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def _app(**options: object) -> App:
    app = App()
    for name, value in options.items():
        setattr(app, name, value)
    return app


def _end(error: BaseException, app: App, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left, ending.ended(app):
        raise error
    return int(left.value.code or 0), capsys.readouterr().err


def test_a_defect_is_one_line_and_its_traceback_only_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = _end(KeyError("x"), App(), capsys)
    assert status == errors.InternalError.exit_status
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert "Traceback" in _end(KeyError("x"), _app(verbosity=1), capsys)[1]


def test_outside_text_in_an_error_can_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = _end(errors.UnknownNode("No node \x1b[2Jgpu\n001"), App(), capsys)
    assert "\x1b" not in said
    assert said.count("\n") == 1


def test_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    assert _end(KeyboardInterrupt(), App(), capsys)[0] == 130
    assert _end(click.Abort(), App(), capsys)[0] == 130


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as stream, os.fdopen(parent, "r"):
        assert App().color(stream)
        assert not _app(no_color=True).color(stream)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not App().color(stream)
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        assert not App().color(stream)


def test_nearest_word() -> None:
    assert frame.near("cluser", ["cluster", "nodes"]) == "cluster"
    assert frame.near("zzz", ["cluster", "nodes"]) == ""
