"""The files of a generation: code, launchers, settings and the list of their sums. Pure but for reading our own files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aami_slurm
import aami_xid
from aami_hpc import __version__
from aami_hpc.errors import DamagedInstallation
from aami_hpc.resources import share
from aami_hpc.xid.pyz import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from aami_hpc.config.sections.hooks import HooksSection

MANIFEST = "aami.manifest/1"
LAUNCHERS = ("prolog", "epilog", "health", "aami-node")
UNITS = ("aami-health.service", "aami-health.timer")
NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_RUN = "run.py"
_NODE = "node.json"
_CODE = frozenset({".py", ".json"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the node's side is on this machine. Tests pass folders of their own."""

    packages: tuple[Path, ...]
    conf: Path
    units: Path

    @classmethod
    def ours(cls) -> Sources:
        packages = tuple(Path(package.__file__ or "").parent for package in (aami_slurm, aami_xid))
        return cls(packages, share() / "slurm" / "conf", share() / "etc" / "systemd")


@dataclass(frozen=True, slots=True)
class Generation:
    """A tree to be put on nodes. `content` is the sum of all that is in it but for its name: equal content, equal node."""

    name: str
    content: str
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))

    def packed(self) -> bytes:
        """The tree as a compressed archive; the same tree gives the same bytes."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, content in sorted(self.files.items()):
                member = tarfile.TarInfo(path)
                member.size = len(content)
                member.mode = 0o755 if path.startswith("launchers/") or path == _RUN else 0o644
                archive.addfile(member, io.BytesIO(content))
        return gzip.compress(plain.getvalue(), 6, mtime=0)


def digest(packed: bytes) -> str:
    """The sum by which a node knows that it has all of it."""
    return hashlib.sha256(packed).hexdigest()


def build(
    node_json: Mapping[str, Any], hooks: HooksSection, now: datetime, sources: Sources | None = None
) -> Generation:
    """The generation for these settings, named after its time and content."""
    files = dict(_read(sources or Sources.ours(), timer=hooks.health == "timer"))
    python = str(hooks.python) if hooks.python else None
    content = _content(files, node_json, python)
    name = f"{now:%Y%m%dT%H%M%SZ}-{content[:8]}"
    files[_NODE] = _json({"schema": node_json["schema"], "generation": name, **node_json})
    sums = {path: digest(data) for path, data in sorted(files.items())}
    files["manifest.json"] = _json(
        {
            "schema": MANIFEST,
            "generation": name,
            "content": content,
            "version": __version__,
            "python": python,
            "files": sums,
        }
    )
    return Generation(name, content, files)


def _read(sources: Sources, *, timer: bool) -> Iterator[tuple[str, bytes]]:
    for package in sources.packages:
        for path in sorted(package.rglob("*")):
            if path.suffix in _CODE and "__pycache__" not in path.parts:
                yield f"{package.name}/{path.relative_to(package).as_posix()}", _bytes(path)
        if package.name == aami_xid.__name__:
            yield f"{package.name}/data/catalog.json", catalogue()
    yield _RUN, _bytes(sources.conf / _RUN)
    for name in LAUNCHERS:
        yield f"launchers/{name}", _bytes(sources.conf / name)
    for name in UNITS if timer else ():
        yield f"units/{name}", _bytes(sources.units / name)


def _content(files: Mapping[str, bytes], node_json: Mapping[str, Any], python: str | None) -> str:
    """One sum over what makes a node behave: files, settings, and the interpreter that was asked for."""
    total = hashlib.sha256()
    for path, data in sorted({**files, _NODE: _json(node_json), "python": (python or "").encode()}.items()):
        total.update(f"{digest(data)}  {path}\n".encode())
    return total.hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedInstallation(
            f"{path} is missing",
            cause=error.strerror or "",
            hint="Install the package again: pip install --force-reinstall aami-hpc",
        ) from error
