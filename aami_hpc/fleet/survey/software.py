"""Software worth knowing about, read from presets/software.yaml: what it looks like, and its usual ports."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from aami_hpc.errors import DamagedInstallation
from aami_hpc.io.files import read_text
from aami_hpc.resources import share

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port it usually listens on. `ours` says what we would use it for, if we would."""

    port: int
    ours: str = ""
    where: str = ""  # "head", "node" or both: "head and node"


@dataclass(frozen=True, slots=True)
class Software:
    """One entry of presets/software.yaml; presets/README.md explains the keys."""

    name: str
    kind: str
    processes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()


def known(path: Path | None = None) -> tuple[Software, ...]:
    """Everything in the file, in its order."""
    import yaml

    path = path or share() / "presets" / "software.yaml"
    try:
        entries = yaml.safe_load(read_text(path))["software"]
        return tuple(map(_entry, entries))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise DamagedInstallation(
            f"{path} can't be used",
            cause=f"{type(error).__name__}: {error}",
            hint="Install the package again: pip install --force-reinstall aami-hpc",
        ) from error


def _entry(raw: Mapping[str, Any]) -> Software:
    unknown = set(raw) - {field.name for field in fields(Software)}
    if unknown:
        raise ValueError(f"{raw['name']}: unknown keys {sorted(unknown)}")
    lists = {key: tuple(value) for key, value in raw.items() if key not in {"name", "kind", "ports"}}
    return Software(
        name=str(raw["name"]),
        kind=str(raw["kind"]),
        ports=tuple(Port(**port) for port in raw.get("ports", ())),
        **lists,
    )
