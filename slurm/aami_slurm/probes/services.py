"""Whether units of systemd run, by the files that systemd keeps: no process is started, and nobody is connected to.

While a unit runs, or starts, or stops, systemd keeps a link `invocation:UNIT` below /run/systemd/units (since 236);
it goes when the unit is inactive or has failed.
"""

import os

from aami_slurm.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

# Where unit files are, the first that has one wins.
FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late",
)  # fmt: skip
WANTED = (".wants", ".requires")


class NoSystemd(Exception):  # noqa: N818 - the house's way to name errors
    """No systemd runs this node, or one that does not tell which units run."""


def read(ask: "Dict[str, Any]") -> "Dict[str, Dict[str, Any]]":
    """{unit: {"active": active, inactive, masked or not-found, "enabled": whether it starts at boot}}."""
    root = Places(ask.get("root") or "").root
    if not os.path.isdir(root + "/run/systemd/system"):
        raise NoSystemd("systemd does not run this node")
    if not os.path.isdir(root + "/run/systemd/units"):
        raise NoSystemd("this systemd does not tell which units run: it is older than 236")
    wanted = _wanted(root)
    return {unit: _row(root, unit, wanted) for unit in ask.get("units") or []}


def _row(root: "str", unit: "str", wanted: "List[str]") -> "Dict[str, Any]":
    if not unit or "/" in unit:
        raise ValueError("no name of a unit: %r" % unit)
    names = _names(root, unit)
    if any(os.path.lexists("%s/run/systemd/units/invocation:%s" % (root, name)) for name in names):
        return {"active": "active", "enabled": any(name in wanted for name in names)}
    file = _file(root, unit)
    state = "not-found" if file is None else "masked" if os.path.realpath(file) == os.devnull else "inactive"
    return {"active": state, "enabled": any(name in wanted for name in names)}


def _file(root: "str", unit: "str") -> "Optional[str]":
    """The unit's file; for an instance `name@x.service` its template's, where it has none of its own."""
    name, at, rest = unit.partition("@")
    template = name + at + "." + rest.rpartition(".")[2] if at else unit
    for candidate in (unit, template):
        for folder in FOLDERS:
            path = root + folder + "/" + candidate
            if os.path.lexists(path):
                return path
    return None


def _names(root: "str", unit: "str") -> "List[str]":
    """The unit's name, and the one that it is an alias of."""
    file = _file(root, unit)
    if file is None or not os.path.islink(file) or "@" in unit:
        return [unit]
    return [unit, os.path.basename(os.readlink(file))]


def _wanted(root: "str") -> "List[str]":
    """Every unit that another one, such as multi-user.target, wants."""
    found: "List[str]" = []
    for folder in FOLDERS:
        for name in _listed(root + folder):
            if name.endswith(WANTED):
                found += _listed(root + folder + "/" + name)
    return found


def _listed(folder: "str") -> "List[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []
