"""The files of the catalogue. One code costs one file; a damaged file is an error that names file and key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from aami_hpc.errors import DamagedInstallation
from aami_hpc.io.files import read_text
from aami_hpc.resources import share
from aami_hpc.xid.entry import Entry, Sxid, Xid
from aami_hpc.xid.shape import Wrong, build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("xid", "sxid")
_FILE_KEYS = {"unit", "what", "note", "entries"}
_CODE = re.compile(r"^\s*(?:- )?\s*\{?\s*code:\s*(\d+)\b", re.MULTILINE)
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(_Loader):  # type: ignore[misc] # which class it is depends on how PyYAML was built
    """Refuses a key that stands twice: YAML would take the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} stands twice", key.start_mark
                )
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def folder(kind: str) -> Path:
    return share() / "xid" / "catalog" / kind


def xid(code: int) -> Xid | None:
    """The entry of one Xid, or None where the catalogue has none."""
    path = folder("xid") / f"{code:03d}.yaml"
    return load_xid(path) if path.is_file() else None


def sxid(code: int) -> Sxid | None:
    """The entry of one SXid; of all files only the one that names it is loaded."""
    for path in _files("sxid"):
        text = read_text(path)
        if code in _codes_in(text):
            return next(entry for entry in _sxids(path, text, only=code) if entry.code == code)
    return None


def find(kind: str, code: int) -> Entry | None:
    return xid(code) if kind == "xid" else sxid(code)


def everything(kind: str) -> tuple[Entry, ...]:
    """All entries of one kind, by code."""
    if kind == "xid":
        found: list[Entry] = [load_xid(path) for path in _files("xid")]
    else:
        found = [entry for path in _files("sxid") for entry in load_sxids(path)]
    return tuple(sorted(found, key=lambda entry: entry.code))


def codes(kind: str) -> tuple[int, ...]:
    """All known codes, without loading an entry."""
    if kind == "xid":
        return tuple(sorted(int(path.stem) for path in _files("xid")))
    return tuple(sorted(code for path in _files("sxid") for code in _codes_in(read_text(path))))


def load_xid(path: Path) -> Xid:
    """One file of an Xid. Its name is its code."""
    entry: Xid = _built(Xid, _parsed(path, read_text(path)), path, "")
    if path.stem != f"{entry.code:03d}":
        raise _damaged(path, f"code is {entry.code}: the file must be called {entry.code:03d}.yaml")
    return entry


def load_sxids(path: Path) -> tuple[Sxid, ...]:
    """One file of SXids: a unit of the switch with its entries."""
    return tuple(_sxids(path, read_text(path)))


def _files(kind: str) -> list[Path]:
    return sorted(folder(kind).glob("*.yaml"))


def _codes_in(text: str) -> list[int]:
    """The codes that entries of this file begin with; `related` names codes inside a line, too."""
    return [int(found) for line in text.splitlines() if (found := _entry_code(line))]


def _entry_code(line: str) -> str:
    """`  - code: 20034`: how an entry begins."""
    found = _CODE.match(line)
    return found[1] if found and "order:" not in line else ""


def _sxids(path: Path, text: str, only: int | None = None) -> Iterator[Sxid]:
    raw = _parsed(path, text)
    if not isinstance(raw, dict) or not isinstance(raw.get("entries"), list):
        raise _damaged(path, "entries must be a list")
    for key in ("unit", "what"):
        if not isinstance(raw.get(key), str):
            raise _damaged(path, f"{key} is missing or no text")
    for key in raw:
        if key not in _FILE_KEYS:
            raise _damaged(path, f"{key} is not a key of the schema")
    for number, entry in enumerate(raw["entries"]):
        if only is None or (isinstance(entry, dict) and entry.get("code") == only):
            yield _built(Sxid, entry, path, f"entries.{number}")


def _parsed(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, _Strict)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise _damaged(path, " ".join(str(error).split())) from error


def _built(cls: type[Any], raw: Any, path: Path, where: str) -> Any:
    try:
        return build(cls, raw, where)
    except Wrong as wrong:
        raise _damaged(path, str(wrong)) from wrong


def _damaged(path: Path, cause: str) -> DamagedInstallation:
    return DamagedInstallation(
        "An entry of the Xid catalogue can't be read",
        cause=f"{path}: {cause}",
        hint="Install the package again: pip install --force-reinstall aami-hpc",
    )
