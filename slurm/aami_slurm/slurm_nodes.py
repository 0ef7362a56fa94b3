"""What Slurm says of its nodes, asked once and read without believing the free text in it.

A reason, comment or extra field may hold line breaks and whole forged records of `scontrol show nodes`. So the one
question is `sinfo --Format` with a separator drawn for that question: text that was stored before can't hold it, and
comments are not in the answer at all. Records are grouped (sinfo compares each record with each other: with one a
node it takes seconds for 10,000 nodes). Who set a reason is not asked: sinfo would ask the name service, which may
hang, and Slurm notes whoever logged in on the terminal that slurmd was started from.
"""

import os

from aami_slurm import command
from aami_slurm.clock import seconds_of
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, Iterator, List, Optional, Tuple

COLUMNS = ("NodeList", "StateComplete", "Gres", "Timestamp", "Reason")
LONGEST = 8 << 20  # bytes of an answer
MOST = 100000  # nodes of a cluster: an answer that names more is none
_NO_TIME = frozenset(("Unknown", "N/A", "None", "none", "(null)", ""))
_NO_REASON = "none"  # sinfo's word where there is none; with a time beside it, it is a reason like others
_STAMP = len("2026-11-20T03:04:05")
_DIGITS = frozenset("0123456789")
_IN_NAMES = _DIGITS.union("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")
_LONGEST_NAME = 253
_MOST_DIGITS = 15
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The words of `StateComplete`: one base, then flags.
IN_SERVICE = frozenset(("IDLE", "ALLOCATED", "MIXED"))
OUT = frozenset(("DOWN", "DRAIN"))
# Flags that say nothing against a drain. RESERVED is any reservation; one for maintenance adds MAINTENANCE.
HARMLESS = frozenset(
    (
        "BLOCKED",
        "CLOUD",
        "COMPLETING",
        "DYNAMIC_FUTURE",
        "DYNAMIC_NORM",
        "EXTERNAL",
        "NOT_RESPONDING",
        "PERFCTRS",
        "PLANNED",
        "RESERVED",
    )
)


class Unreadable(Exception):  # noqa: N818 - the house's way to name errors
    """Slurm did not answer, or not in a form that is known. Nothing may be concluded from that."""


class Shown:
    """One node as Slurm shows it: base state and flags in capitals, the reason as it stands there, the second since
    when (None where there is no reason), and whether it has GPUs.
    """

    __slots__ = ("gpu", "reason", "since", "state")

    def __init__(
        self, state: "FrozenSet[str]", reason: "str", since: "Optional[float]", *, gpu: "bool"
    ) -> "None":
        self.state = state
        self.reason = reason
        self.since = since
        self.gpu = gpu

    @property
    def in_service(self) -> "bool":
        """Jobs may come. The reason of a drain that was lifted may still stand there: 24.11 keeps it until one does."""
        return bool(self.state) and self.state <= IN_SERVICE | HARMLESS

    def __eq__(self, other: "object") -> "bool":
        return isinstance(other, Shown) and self._values() == other._values()

    def __hash__(self) -> "int":
        return hash(self._values())

    def _values(self) -> "Tuple[FrozenSet[str], str, Optional[float], bool]":
        return (self.state, self.reason, self.since, self.gpu)


def look(sinfo: "str", conf: "Optional[str]", until: "float") -> "Dict[str, Shown]":
    """All nodes that Slurm shows, by name, or Unreadable. `until` is time.monotonic's."""
    separator = draw_separator()
    try:
        status, out, err = command.run(question(sinfo, separator), environment(conf), until, LONGEST)
    except command.NoAnswer as error:
        raise Unreadable(str(error)) from None
    if status != 0:
        raise Unreadable("%s: status %d: %s" % (sinfo, status, plain(decode(err or out), 200)))
    return parse(decode(out), separator)


def question(sinfo: "str", separator: "str") -> "List[str]":
    """The command: every column followed by the separator, none cut."""
    columns = ",".join("%s:%s" % (column, separator) for column in COLUMNS)
    return [sinfo, "--noheader", "--all", "--local", "--Format=" + columns]


def draw_separator() -> "str":
    """Text that nobody could know before now. It begins with no digit: sinfo would take that for a width."""
    return "<%s>" % os.urandom(8).hex()


def environment(conf: "Optional[str]") -> "Dict[str, str]":
    """All that Slurm's commands see of ours: its own words, times in UTC, nobody's own defaults."""
    told = {"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC0"}
    if conf:
        told["SLURM_CONF"] = conf
    return told


def parse(text: "str", separator: "str") -> "Dict[str, Shown]":
    """The nodes in an answer to `question`. Pure."""
    fields = text.split(separator)
    width = len(COLUMNS)
    if fields.pop().strip() or not fields or len(fields) % width:
        raise Unreadable("sinfo's answer is in no known form")
    found: "Dict[str, Shown]" = {}
    for start in range(0, len(fields), width):
        names = fields[start]
        if start:  # each record begins a line
            if not names.startswith("\n"):
                raise Unreadable("sinfo's answer is in no known form")
            names = names[1:]
        shown = _shown(*fields[start + 1 : start + width])
        for name in unfold(names):
            if found.setdefault(name, shown) != shown or len(found) > MOST:
                raise Unreadable("sinfo's answer contradicts itself about %s" % plain(name, 64))
    return found


def _shown(state: "str", gres: "str", time: "str", reason: "str") -> "Shown":
    words = frozenset(word for word in state.strip().upper().split("+") if word)
    since = seconds_of(time) if len(time) == _STAMP else None
    if since is None and time not in _NO_TIME:
        raise Unreadable("sinfo's answer has %s for a time" % plain(repr(time), 64))
    if since is None and reason == _NO_REASON:
        reason = ""
    return Shown(words, reason, since, gpu=_has_gpu(gres))


def _has_gpu(gres: "str") -> "bool":
    """Whether `gpu:h100:8(S:0,1),shard:16` has GPUs. Commas in brackets make parts that are no GPUs."""
    parts = [part.partition("(")[0].strip().split(":") for part in gres.split(",")]
    return any(words[0] == "gpu" and words[-1] != "0" for words in parts)


def gpu_nodes(nodes: "Dict[str, Shown]") -> "int":
    return sum(shown.gpu for shown in nodes.values())


def out_by_us(nodes: "Dict[str, Shown]") -> "List[Tuple[str, str, float]]":
    """(node, reason, since) of every node that is drained for a reason we gave automatically: what the rails count.

    Nodes without GPUs too: the rails hold back our drains, wherever they are. A node that is down without being
    drained, as after a power cut, may carry the reason of a drain that was lifted long ago (24.11 keeps it): it counts
    only where Slurm noted a reboot behind it.
    """
    from aami_slurm import reason

    found = []
    for name, shown in nodes.items():
        told = None if shown.in_service else reason.parse(shown.reason)
        if told is not None and told.who == "a" and ("DRAIN" in shown.state or told.appended):
            if shown.since is None:
                raise Unreadable("%s has a reason of ours, and no time" % name)
            found.append((name, shown.reason, shown.since))
    return sorted(found, key=lambda one: (one[2], one[0]))


def unfold(text: "str") -> "Iterator[str]":
    """The names in a list as Slurm folds it: `gpu[001-064,070],login1,a[1-2]b[3-4]`."""
    for item in _items(text):
        for name in _expand(item):
            if not is_literal(name):
                raise Unreadable("sinfo names a node %s" % plain(repr(name), 64))
            yield name


def is_literal(name: "str") -> "bool":
    """Whether it stands for one node in a command: no range, list or option, and no word that Slurm takes for all."""
    return (
        0 < len(name) <= _LONGEST_NAME
        and _IN_NAMES.issuperset(name)
        and name[0] not in "._-"
        and name.lower() not in ("all", "default")
    )


def _items(text: "str") -> "Iterator[str]":
    """The parts between the commas that stand outside brackets."""
    depth, begin = 0, 0
    for place, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if depth not in (0, 1):
            break
        if char == "," and not depth:
            yield text[begin:place]
            begin = place + 1
    if depth:
        raise Unreadable("sinfo's list of nodes is broken: %s" % plain(text, 64))
    yield text[begin:]


def _expand(item: "str") -> "Iterator[str]":
    """Every name of one item; the last brackets count fastest."""
    head, opened, rest = item.partition("[")
    if not opened:
        yield item
        return
    ranges, _, tail = rest.partition("]")
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (_is_number(first) and _is_number(last) and 0 <= int(last) - int(first) < MOST):
            raise Unreadable("sinfo's list of nodes is broken: %s" % plain(item, 64))
        for number in range(int(first), int(last) + 1):
            for name in _expand("%s%0*d%s" % (head, len(first), number, tail)):
                yield name


def _is_number(text: "str") -> "bool":
    return 0 < len(text) <= _MOST_DIGITS and _DIGITS.issuperset(text)
