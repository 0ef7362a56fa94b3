"""The Slurm releases of the lab: where each comes from, and how its programs are called."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import chroot, mirror, trees
from tests.lab.capabilities import Judged, judge, release_of
from tests.lab.ledger import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.ledger import Ledger

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "python3")
CLIENTS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sdiag", "sinfo", "squeue", "srun")


class Release(Enum):
    """A Debian suite, by the Slurm that it had when the lab met it. Suites that move have a newer one by now."""

    BOOKWORM = "22.05"
    TRIXIE = "24.11"
    SID = "26.05"

    @property
    def suite(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Installation:
    """Slurm's programs, on this machine (`root` is None) or in a tree's private view."""

    root: Path | None
    judged: Judged
    note: str = ""

    @property
    def version(self) -> str:
        return self.judged.version

    def argv(self, program: str, *arguments: str | Path) -> list[str]:
        words = [program, *map(str, arguments)]
        return words if self.root is None else ["chroot", str(self.root), *words]

    def clients(self, folder: Path, conf: Path) -> Path:
        """The folder of this release's client programs, usable from outside its root (by root only)."""
        if self.root is None:
            return Path(shutil.which("scontrol") or "/usr/bin/scontrol").parent
        folder.mkdir()
        for program in CLIENTS:
            wrapper = folder / program
            words = shlex.join(["exec", "/usr/sbin/chroot", str(self.root), program])
            wrapper.write_text(
                f'#!/bin/sh\nSLURM_CONF={shlex.quote(str(conf))}\nexport SLURM_CONF\n{words} "$@"\n'
            )
            wrapper.chmod(0o755)
        return folder


def install(ledger: Ledger, release: Release, *, shared: Sequence[Path]) -> Installation:
    """Make a release's programs usable for one run; the folders in `shared` are visible to them."""
    if release is Release.BOOKWORM and _host_has(release):
        return Installation(None, judge(_version(ledger, [])))
    tree = trees.ensure(release.suite, PACKAGES, name="slurm")
    root = chroot.enter(ledger, tree, shared=shared)
    return Installation(root, judge(_version(ledger, ["chroot", root])), tree.note)


def _host_has(release: Release) -> bool:
    """Is this machine of the release's suite? Then its own packages are used, and must be there."""
    if mirror.codename() != release.suite:
        return False
    missing = [name for name in ("slurmctld", "slurmd", "munged", *CLIENTS) if shutil.which(name) is None]
    if missing:
        raise LabUnavailable(
            f"not installed: {', '.join(missing)} (packages slurmctld slurmd slurm-client munge)"
        )
    return True


def _version(ledger: Ledger, prefix: Sequence[str | Path]) -> str:
    said = ledger.run(*prefix, "slurmctld", "-V").split()[-1]
    release_of(said)
    return said
