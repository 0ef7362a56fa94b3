"""Slurm's text answers, read without believing the free text in them. Pure functions.

A reason, a comment or a node's kernel version is written by people and programs we don't know. On `scontrol
show nodes` it stands unquoted beside the fields, and a comment may hold line breaks: `Comment=x` + newline +
`NodeName=gpu002 … State=IDLE` *is* one more record, whatever reads it. So two answers are used, by what they
can be trusted with:

* `sinfo --Format` with a separator that is drawn at random for each question. Text that was stored before the
  question can't contain it, so no text can end a field or begin a record. What decides anything comes from
  here: which nodes exist, their state, reason, who set it and when, their GRES. The records are grouped, one
  for all nodes alike: with one record a node, sinfo compares each with each (9 s for 10,000 nodes).
* `scontrol show nodes` for what describes a node (address, architecture, operating system, CPUs, memory) and
  for nodes that sinfo leaves out: FUTURE ones and those without a partition. A line counts only when its name
  is known to exist and no other line claims it (`text.py` asks again about the rest). Inside a line, a field
  is its first occurrence; those that are read stand before every free text except the operating system, which
  only root on that same node can write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from aami_hpc.config import ranges
from aami_hpc.config.fault import Fault
from aami_hpc.errors import SlurmAnswer
from aami_hpc.model.node import is_node_name
from aami_hpc.model.slurm import Controller, Partition

_COLUMNS = ("NodeList", "StateComplete", "StateLong", "Gres", "Version", "User", "Timestamp", "Reason")
_NOTHING = frozenset({"", "(null)", "N/A", "None", "Unknown", "n/a"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_PING = re.compile(r"^Slurmctld\(([^)\s]+)\) at (\S+) is (UP|DOWN)\b", re.MULTILINE)
_SETTING = re.compile(r"^(\S+)\s*= (.*)$", re.MULTILINE)
_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)?\S*)")
_OS = re.compile(r" OS=(.*?) +RealMemory=\d")
_SIGNED = re.compile(r"^(.*?) \[(\S*)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\]")


@dataclass(frozen=True, slots=True)
class Alike:
    """Nodes that sinfo shows as one record."""

    names: tuple[str, ...]
    state: str  # full notation; empty where this release has no word for it
    word: str  # sinfo's own summary
    gres: str = ""
    version: str = ""
    user: str = ""
    time: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One node as `scontrol show nodes` describes it."""

    name: str
    address: str = ""
    arch: str = ""
    os: str = ""
    cpus: int | None = None
    memory_mb: int | None = None
    gres: str = ""
    version: str = ""
    state: str = ""
    reason: str = ""
    user: str = ""
    time: datetime | None = None


def sinfo_format(separator: str) -> str:
    """The argument of `sinfo --Format`: every column followed by the separator, none cut."""
    return ",".join(f"{column}:{separator}" for column in _COLUMNS)


def alike(text: str, separator: str) -> tuple[Alike, ...]:
    """The records of an answer to `sinfo --noheader --Format`."""
    fields = text.split(separator)
    end = fields.pop()
    if end.strip() or len(fields) % len(_COLUMNS):
        raise unreadable("sinfo")
    width = len(_COLUMNS)
    return tuple(_alike(fields[start : start + width]) for start in range(0, len(fields), width))


def node_lines(text: str) -> dict[str, list[str]]:
    """Every line that claims to describe a node, by the node's name. Claims, not facts."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name = line[len("NodeName=") :].partition(" ")[0] if line.startswith("NodeName=") else ""
        if name:
            found.setdefault(name, []).append(line)
    return found


def describe(line: str) -> Described:
    """The fields of a line that is known to be Slurm's own."""
    reason = line.partition(" CfgTRES=")[2].partition(" Reason=")[2]
    signed = _SIGNED.match(reason)
    found = _OS.search(line)
    return Described(
        name=_first(line, "NodeName"),
        address=_first(line, "NodeAddr"),
        arch=_first(line, "Arch"),
        os=found[1].strip() if found else "",
        cpus=_number(_first(line, "CPUTot")),
        memory_mb=_number(_first(line, "RealMemory")),
        gres=_first(line, "Gres"),
        version=_first(line, "Version"),
        state=_first(line, "State"),
        reason=signed[1] if signed else reason,
        user=signed[2] if signed else "",
        time=parse_time(signed[3]) if signed else None,
    )


def partitions(text: str) -> tuple[Partition, ...]:
    """The records of `scontrol --oneliner show partitions`. Administrators write them, and nobody else."""
    return tuple(
        Partition(
            name=_first(line, "PartitionName"),
            nodes=_first(line, "Nodes"),
            state=_first(line, "State"),
            default=_first(line, "Default") == "YES",
        )
        for line in text.splitlines()
        if line.startswith("PartitionName=")
    )


def controllers(text: str) -> tuple[Controller, ...]:
    """The lines of `scontrol ping`."""
    return tuple(Controller(host, role, word == "UP") for role, host, word in _PING.findall(text))


def config(text: str) -> dict[str, str]:
    """The lines of `scontrol show config`; of a key that comes twice (in plugins' own sections) the first."""
    found: dict[str, str] = {}
    for key, value in _SETTING.findall(text):
        found.setdefault(key, value.strip())
    return found


def version(text: str) -> str:
    """The number in `slurm-wlm 22.05.8`."""
    match = _VERSION.search(text)
    if match is None:
        raise unreadable("scontrol --version")
    return match[1]


def parse_time(text: str) -> datetime | None:
    """A time as Slurm writes it for a process whose zone is UTC."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def expand(text: str) -> tuple[str, ...]:
    """The names in a list as Slurm folds it."""
    if text in _NOTHING:
        return ()
    try:
        names = ranges.expand(text)
    except Fault as error:
        raise unreadable("a list of nodes") from error
    strange = next((name for name in names if not is_node_name(name)), None)
    if strange is not None:
        raise SlurmAnswer(
            f"Slurm has a node named {strange}",
            cause="A command for that name would not mean one node",
            hint="Give the node another NodeName in slurm.conf",
        )
    return names


def unreadable(what: str) -> SlurmAnswer:
    return SlurmAnswer(
        f"The answer of {what} can't be read",
        cause="It is not in a form that any release we know writes",
        hint="Run aami-hpc look, and report its output with the release of Slurm",
    )


def _alike(fields: list[str]) -> Alike:
    names, state, word, gres, release, user, time, reason = fields
    when = parse_time(time)
    given = when is not None or reason != "none"  # sinfo writes `none` where there is no reason
    return Alike(
        names=expand(names.strip("\n")),
        state=_known(state),
        word=_known(word),
        gres=_known(gres),
        version=_known(release),
        user=_known(user) if given else "",
        time=when,
        reason=reason if given else "",
    )


def _first(line: str, key: str) -> str:
    """The first `key=` of the line, up to the next space."""
    _, found, rest = f" {line}".partition(f" {key}=")
    return _known(rest.partition(" ")[0]) if found else ""


def _known(text: str) -> str:
    return "" if text in _NOTHING else text


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004
