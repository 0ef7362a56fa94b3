"""A node beside a Slurm of two scripts that remembers what was written: this node, and 199 others that are well."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.aami_slurm.tree import NODE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aami_slurm.cards import Cards
    from tests.aami_slurm.fixtures import MakeNode

# Everything is enforced, and the rails are wide.
ENFORCE: dict[str, Any] = {
    "schema": "aami.policy/1",
    "name": "test",
    "mode": "enforce",
    "quiet_partitions": [],
    "rails": {
        "windows": [{"seconds": 600, "nodes": 1000, "share": 1.0}],
        "out": {"share": 1.0, "at_least": 1000},
    },
}
WELL = {"state": "idle", "reason": "", "since": "2026-01-01T00:00:00", "pause": 0, "status": 0, "then": ""}

_SINFO = """\
#!{python} -IS
import json, re, sys, time
here = {here!r}
told = json.load(open(here + "/slurm.json"))
time.sleep(told["pause"])
drawn = re.findall("NodeList:(<[0-9a-f]+>),", " ".join(sys.argv))[0]
def record(name, state, reason, since):
    return "".join(word + drawn for word in (name, state, "gpu:h100:8", since if reason else "Unknown", reason or "none"))
print(record({node!r}, told["state"], told["reason"], told["since"]))
print(record("zz[001-199]", "idle", "", ""))
sys.exit(told["status"])
"""

_SCONTROL = """\
#!{python} -IS
import json, os, sys, time
here = {here!r}
told = json.load(open(here + "/slurm.json"))
time.sleep(told["pause"])
words = dict(word.partition("=")[::2] for word in sys.argv[2:])
if words["State"] == "DRAIN":
    told.update(state="idle+drain", reason=words["Reason"])
    told["since"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
else:
    told.update(state="idle", reason="")
with open(here + "/new", "w") as out:
    json.dump(told, out)
os.rename(here + "/new", here + "/slurm.json")
with open(here + "/updates", "a") as log:
    log.write(json.dumps(sys.argv[2:]) + "\\n")
os.system(told["then"])
"""

# Runs a hook some seconds after the boot.
_EARLY = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
os.environ.update(AAMI_ROOT=sys.argv[3], SLURMD_NODENAME=sys.argv[4])
from aami_slurm import clock, entry
begin = time.monotonic() - float(sys.argv[5])
clock.Clock.mono = lambda self: time.monotonic() - begin
sys.exit(entry.main([sys.argv[2]]))
"""


class OneSlurm:
    """`cards` are the node's GPUs, `hook` runs one of its hooks, `put` says what Slurm shows of it from now on."""

    def __init__(
        self,
        make_node: MakeNode,
        policy: dict[str, Any] | None = None,
        *,
        looked: bool = True,
        **settings: Any,
    ) -> None:
        self.cards: Cards = make_node(looked=False)
        self.root: Path = self.cards.node.root
        self.run = self.root / "run/aami-hpc"
        self._here = self.root / "slurm"
        self._here.mkdir()
        for name, text in (("sinfo", _SINFO), ("scontrol", _SCONTROL)):
            program = self._here / name
            program.write_text(text.format(python=sys.executable, here=str(self._here), node=NODE))
            program.chmod(0o755)
        self._settings = settings
        self.put(**WELL)
        self.set(ENFORCE if policy is None else policy)
        if looked:
            assert self.hook("health") == 0
            assert self.log() == []

    def set(self, policy: dict[str, Any], **settings: Any) -> None:
        """The node's settings from now on."""
        self._settings.update(settings)
        slurm = {name: str(self._here / name) for name in ("sinfo", "scontrol")}
        paths = {"nvml": str(self.cards.stub.library), "nvidia_smi": str(self.cards.stub.program)}
        self.cards.node.set(policy=policy, slurm=slurm, paths=paths, **self._settings)

    def put(self, **told: Any) -> None:
        """state, reason, since; pause: seconds before each answer; status: of sinfo; then: a command after updates."""
        path = self._here / "slurm.json"
        path.write_text(json.dumps({**(self.shown() if path.exists() else {}), **told}))

    def shown(self) -> dict[str, Any]:
        told = json.loads((self._here / "slurm.json").read_text())
        assert isinstance(told, dict)
        return told

    @property
    def is_out(self) -> bool:
        return "drain" in self.shown()["state"]

    def give_back(self) -> None:
        """As a person does after the repair."""
        self.put(state="idle", reason="")

    def updates(self) -> list[list[str]]:
        path = self._here / "updates"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def hook(self, name: str, environ: dict[str, str] | None = None) -> int:
        """Its exit status, as slurmd sees it."""
        return self.cards.node.run(name, environ).returncode

    def timed(self, name: str, environ: dict[str, str] | None = None) -> tuple[int, float]:
        began = time.monotonic()
        status = self.hook(name, environ)
        return status, time.monotonic() - began

    def early(self, hook: str, seconds: float = 120.0) -> int:
        """The same hook so many seconds after the boot, without an environment of a job."""
        tree = self.cards.node.tree
        words = [str(tree), hook, str(self.root), NODE, str(seconds)]
        return subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", _EARLY, *words], env={}, check=False, timeout=60
        ).returncode

    def log(self) -> list[str]:
        return self.cards.node.log()

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return [line for line in self.cards.node.lines("journal") if line["kind"] in kinds]

    def asked_at(self) -> float:
        """When the driver last answered to a health."""
        mono = json.loads((self.run / "known.json").read_text())["gpus_mono"]
        assert isinstance(mono, float)
        return mono

    def kernel(self, text: str, *, skip: int = 0) -> None:
        """A line of the kernel's; `skip`: so many before it were overwritten unread."""
        with self.cards.node.kmsg.open("r+b") as log:
            lines = log.read().splitlines()
            seq = int(lines[-1].split(b",")[1]) + 1 + skip if lines else skip
            log.write(f"4,{seq},{int(time.monotonic() * 1e6)},-;{text}\n".encode())
