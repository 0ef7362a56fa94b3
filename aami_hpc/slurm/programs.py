"""Where Slurm's commands are, and the environment they run in: the same words whoever calls them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.errors import AamiError, SlurmNotFound
from aami_hpc.io.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.config.sections.slurm import SlurmSection

_NEEDED = ("scontrol", "sinfo")
_USUAL = ("/usr/bin", "/opt/slurm/bin", "/usr/local/bin", "/usr/local/slurm/bin")
_DEFAULT_CONF = Path("/etc/slurm/slurm.conf")
_DEFAULT_PORT = "6817"
# A user's own defaults for Slurm's commands would change which cluster answers, and in which words.
_OF_USERS = re.compile(
    r"(SINFO|SCONTROL|SQUEUE)_|SLURM_(TIME_FORMAT|CLUSTERS|JSON|YAML|BITSTR_LEN|DEBUG_FLAGS)$"
)
_HOST = re.compile(r"^\s*(?:SlurmctldHost|ControlMachine)\s*=\s*([^\s(#,]+)", re.IGNORECASE | re.MULTILINE)
_PORT = re.compile(r"^\s*SlurmctldPort\s*=\s*(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Programs:
    """Slurm's commands by name, and their environment."""

    paths: Mapping[str, str]
    environ: Mapping[str, str]

    def controller(self) -> str:
        """`host:port` of the first controller by slurm.conf, or nothing: a machine may have no such file."""
        try:
            text = read_text(Path(self.environ.get("SLURM_CONF") or _DEFAULT_CONF))
        except AamiError:
            return ""
        host, port = _HOST.search(text), _PORT.search(text)
        return f"{host[1]}:{port[1] if port else _DEFAULT_PORT}" if host else ""


def find(section: SlurmSection, environ: Mapping[str, str]) -> Programs:
    """The commands in `slurm.bin_dir`, else in $PATH, else at one of the usual places."""
    if section.bin_dir is not None:
        folders = [str(section.bin_dir)]
    else:
        in_path = environ.get("PATH", "").split(":")
        folders = [*(folder for folder in in_path if folder.startswith("/")), *_USUAL]
    paths = {name: _first(name, folders) for name in _NEEDED}
    missing = [name for name, path in paths.items() if not path]
    if missing:
        raise SlurmNotFound(
            "Slurm's client commands are not on this machine",
            cause=f"No {' and no '.join(missing)} in {', '.join(dict.fromkeys(folders))}",
            hint="Install Slurm's client package, or set slurm.bin_dir to the folder of scontrol",
        )
    return Programs(paths, child_environment(section, environ))


def child_environment(section: SlurmSection, environ: Mapping[str, str]) -> dict[str, str]:
    """Slurm's own words and UTC times, from the cluster that is configured."""
    kept = {name: value for name, value in environ.items() if not _OF_USERS.match(name)}
    kept |= {"LC_ALL": "C", "TZ": "UTC"}
    if section.conf is not None:
        kept["SLURM_CONF"] = str(section.conf)
    if not kept.get("SLURM_CONF"):
        kept.pop("SLURM_CONF", None)  # Slurm takes an empty name for a file, and tries again and again
    return kept


def _first(name: str, folders: list[str]) -> str:
    paths = (f"{folder}/{name}" for folder in folders)
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")  # noqa: PTH113
