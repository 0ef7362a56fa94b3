"""Runs drain() as a hook does, in a process of its own; and a Slurm of two scripts that says what a test tells it to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aami_slurm
import aami_xid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.slurm import SlurmCluster

NODE = "gpu-002"
OURS = "aami:a:xid79:gpu3 GPU has fallen off the bus #abcd2345"
WIDE = {
    "windows": [{"seconds": 600, "nodes": 1000, "share": 1.0}],
    "out": {"share": 1.0, "at_least": 1000},
}
NARROW = {"windows": [{"seconds": 600, "nodes": 2, "share": 0.05}], "out": {"share": 0.05, "at_least": 2}}

_PATH = [str(Path(str(package.__file__)).resolve().parents[1]) for package in (aami_slurm, aami_xid)]
_CALL = f"""
import sys
sys.path[:0] = {_PATH!r}
from aami_slurm import drain, fast_json
print(fast_json.dumps(drain.drain(fast_json.loads(sys.stdin.readline()))))
"""

_SINFO = """\
#!{python} -IS
import os, re, sys, time
here = {here!r}
drawn = re.findall("NodeList:(<[0-9a-f]+>),", " ".join(sys.argv))[0]
number = len(os.listdir(here + "/asked")) + 1
open(here + "/asked/%03d" % number, "w").close()
answers = sorted(os.listdir(here + "/answers"))
name = answers[min(number, len(answers)) - 1]
pause, status = name.split("_")[1:]
time.sleep(float(pause))
with open(here + "/answers/" + name, "rb") as source:
    sys.stdout.buffer.write(source.read().replace(b"<drawn>", drawn.encode()))
sys.exit(int(status))
"""

_SCONTROL = """\
#!{python} -IS
import json, os, sys, time
here = {here!r}
with open(here + "/updates", "a") as log:
    log.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
time.sleep({pause})
sys.stderr.write({said!r})
sys.exit({status})
"""


class Look(NamedTuple):
    """One answer of sinfo."""

    text: str
    pause: float = 0
    status: int = 0


def record(
    name: str,
    state: str = "idle",
    reason: str = "",
    time: str = "2026-11-20T03:04:05",
    gres: str = "gpu:h100:8",
) -> str:
    """One node's record."""
    fields = (name, state, gres, time, reason) if reason else (name, state, gres, "Unknown", "none")
    return "".join(f"{field}<drawn>" for field in fields) + "\n"


class ScriptedSlurm:
    """`looks` are what sinfo answers, one after the other; the last one again and again."""

    def __init__(
        self,
        folder: Path,
        looks: Sequence[str | Look],
        *,
        update: int = 0,
        said: str = "",
        pause: float = 0,
    ) -> None:
        self._folder = folder
        (folder / "asked").mkdir(parents=True)
        (folder / "answers").mkdir()
        for number, told in enumerate(looks):
            look = told if isinstance(told, Look) else Look(told)
            path = folder / "answers" / f"{number:03d}_{look.pause}_{look.status}"
            path.write_bytes(look.text.encode())
        here = str(folder)
        self._program("sinfo", _SINFO.format(python=sys.executable, here=here))
        self._program(
            "scontrol",
            _SCONTROL.format(python=sys.executable, here=here, pause=pause, said=said, status=update),
        )

    def _program(self, name: str, text: str) -> None:
        path = self._folder / name
        path.write_text(text)
        path.chmod(0o755)

    def ask(self, **other: Any) -> dict[str, Any]:
        return asking(self._folder, **other)

    @property
    def looks(self) -> int:
        """How often it was asked."""
        return len(list((self._folder / "asked").iterdir()))

    @property
    def updates(self) -> list[list[str]]:
        """What was written, or tried to be."""
        return [words for words, _ in self._log()]

    @property
    def environments(self) -> list[dict[str, str]]:
        return [environ for _, environ in self._log()]

    def _log(self) -> list[Any]:
        log = self._folder / "updates"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def asking(at: Path, conf: Path | None = None, **other: Any) -> dict[str, Any]:
    """What drain() is asked; anything may be replaced."""
    return {
        "node": NODE,
        "reason": OURS,
        "rails": WIDE,
        "sinfo": str(at / "sinfo"),
        "scontrol": str(at / "scontrol"),
        "conf": str(conf) if conf else None,
        "budget_s": 3.0,
        "now": time.time(),
        **other,
    }


def ask_of(cluster: SlurmCluster, **other: Any) -> dict[str, Any]:
    """The same, of a cluster of the lab."""
    return asking(cluster.bin_dir, **{"conf": cluster.conf, **other})


def start(ask: dict[str, Any], python: str = sys.executable) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [python, "-I", "-S", "-B", "-c", _CALL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={},
    )
    assert process.stdin
    process.stdin.write(json.dumps(ask) + "\n")
    process.stdin.flush()
    return process


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def call(ask: dict[str, Any], python: str = sys.executable) -> dict[str, Any]:
    """drain(ask), in a process without an environment."""
    return answer(start(ask, python))
