"""An append-only log of JSON lines in segments, that survives kill -9, a power cut, a full disk and its own rotation.

A segment is `<boot id>-<number of its first line>.jsonl`. It begins with a header that carries what all lines of this
boot up to there add up to, so that older segments may go. What is not a whole line was never written: it is left out,
told, and nothing is ever appended behind it. One process at a time writes, under the lock of whoever uses this.
"""

import os

from aami_slurm import fast_json
from aami_slurm.files import make_folder, sync_folder, write_atomic, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

    Line = Dict[str, Any]

SCHEMA = "aami.segment/1"
SUFFIX = ".jsonl"
LARGEST = 1 << 20  # bytes of a segment
TOTAL = 16 << 20  # bytes of all segments
DIGITS = 10
MODE, FOLDER_MODE = 0o640, 0o750
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Damage:
    """A piece of a segment that is no line: cut by a crash, or spoilt."""

    __slots__ = ("at", "length", "segment")

    def __init__(self, segment: "str", at: "int", length: "int") -> "None":
        self.segment = segment
        self.at = at
        self.length = length

    def to_dict(self) -> "Dict[str, Any]":
        return {"segment": self.segment, "at": self.at, "bytes": self.length}


class Log:
    """The segments of one boot. `load` first; then `segment` and `size` tell where the next line goes."""

    def __init__(
        self, folder: "str", boot_id: "str", largest: "int" = LARGEST, total: "int" = TOTAL
    ) -> "None":
        self.folder = folder
        self.boot_id = boot_id
        self.largest = largest
        self.total = total
        self.segment: "Optional[str]" = None
        self.size = 0
        self.damage: "List[Damage]" = []  # in the newest segment: the next line begins another one
        self.trouble: "Optional[str]" = None  # why old segments could not be removed

    def load(self, segment: "Optional[str]" = None, size: "int" = 0) -> "Tuple[Optional[Line], List[Line]]":
        """(state of a header, lines behind it). No header: the lines follow those up to `segment` and `size`."""
        names = segments(self.folder, self.boot_id)
        self.segment, self.size, self.damage = None, 0, []
        if not names:
            return None, []
        self.segment = names[-1]
        self.size = os.stat(self._path(self.segment)).st_size
        if self.segment == segment and self.size == size:
            return None, []
        if self.segment == segment and self.size > size:
            lines, self.damage = parse(self._read(segment, size), segment, size)
            return None, lines
        return self._replay(names)

    def _replay(self, names: "List[str]") -> "Tuple[Optional[Line], List[Line]]":
        """From the newest segment whose header can be read."""
        lines: "List[Line]" = []
        for name in reversed(names):
            found, damage = parse(self._read(name), name)
            if name == self.segment:
                self.damage = damage
            header = found[0] if found and found[0].get("schema") == SCHEMA else None
            lines = [line for line in found if line.get("schema") != SCHEMA] + lines
            if header is not None:
                return header.get("state"), lines
        return None, lines

    def spoilt(self) -> "None":
        """The newest segment has lines that mean nothing: say so, and begin another one."""
        if not self.damage:
            self.damage = [Damage(str(self.segment), 0, self.size)]

    def first(self) -> "int":
        """The number that the newest segment's first line has; 0 without one."""
        return 0 if self.segment is None else number(self.segment)

    def append(self, lines: "List[bytes]", first: "int", state: "Callable[[], Line]") -> "None":
        """Write whole lines to disk, or raise OSError and leave none. `state()` is what they and all before add up to."""
        data = b"".join(lines)
        if self.segment is None or self.damage or self.size + len(data) > self.largest:
            self._begin(data, first, state())
            return
        try:
            handle = os.open(self._path(self.segment), APPEND)
        except FileNotFoundError:
            self._begin(data, first, state())  # somebody removed the segment, or the whole folder
            return
        try:
            self._extend(handle, data)
        finally:
            os.close(handle)
        self.size += len(data)

    def _extend(self, handle: "int", data: "bytes") -> "None":
        try:
            write_whole(handle, data)
            os.fdatasync(handle)
        except OSError as error:
            try:
                os.ftruncate(handle, self.size)
            except OSError:
                self.damage = [
                    Damage(str(self.segment), self.size, 0)
                ]  # how much, the next one to load it sees
            raise error from None

    def _begin(self, data: "bytes", first: "int", state: "Line") -> "None":
        header = {"schema": SCHEMA, "boot_id": self.boot_id, "first": first, "state": state}
        whole = encode(header) + data
        name = "%s-%0*d%s" % (self.boot_id, DIGITS, first, SUFFIX)
        if not os.path.isdir(self.folder):
            make_folder(self.folder, FOLDER_MODE)
            sync_folder(os.path.dirname(self.folder))
        write_atomic(self._path(name), whole, mode=MODE, alone=True)
        self.segment, self.size, self.damage = name, len(whole), []
        try:
            self._limit()
        except OSError as error:  # the lines are written: this must not look as if they were not
            self.trouble = "old segments stay: %s" % error

    def _limit(self) -> "None":
        """Remove the oldest segments while there are too many bytes: other boots' first, never the newest one."""
        sizes = {name: os.stat(self._path(name)) for name in segments(self.folder)}
        total = sum(told.st_size for told in sizes.values())
        for name in sorted(sizes, key=lambda name: self._age(name, sizes[name].st_mtime)):
            if total <= self.total or name == self.segment:
                return
            os.unlink(self._path(name))
            total -= sizes[name].st_size

    def _age(self, name: "str", changed: "float") -> "Tuple[bool, float, int]":
        own = boot(name) == self.boot_id
        return own, 0.0 if own else changed, number(name)

    def _path(self, name: "str") -> "str":
        return self.folder + "/" + name

    def _read(self, name: "str", begin: "int" = 0) -> "bytes":
        return read(self._path(name), begin)


def encode(line: "Line") -> "bytes":
    return fast_json.dumps(line).encode("ascii") + b"\n"


def segments(folder: "str", boot_id: "Optional[str]" = None) -> "List[str]":
    """Names of segments, of one boot or of all; those of one boot in their order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if number(name) and boot_id in {None, boot(name)})


def number(name: "str") -> "int":
    """Of a segment's first line; 0 for what is no segment."""
    told = name[: -len(SUFFIX)].rpartition("-")[2] if name.endswith(SUFFIX) else ""
    return int(told) if len(told) == DIGITS and told.isdecimal() else 0


def boot(name: "str") -> "str":
    return name[: -len(SUFFIX)].rpartition("-")[0]


def read(path: "str", begin: "int" = 0) -> "bytes":
    """A segment from a place on; nothing of one that was removed meanwhile."""
    try:
        with open(path, "rb", buffering=0) as source:
            source.seek(begin)
            return source.read()
    except FileNotFoundError:
        return b""


def parse(data: "bytes", segment: "str", begin: "int" = 0) -> "Tuple[List[Line], List[Damage]]":
    """The whole lines, and what is none. `begin` is where in the segment the data begins."""
    lines: "List[Line]" = []
    damage: "List[Damage]" = []
    at = begin
    for piece in data.splitlines(True):  # noqa: FBT003 - with the line ends
        line = _line(piece)
        if line is None:
            damage.append(Damage(segment, at, len(piece)))
        else:
            lines.append(line)
        at += len(piece)
    return lines, damage


def _line(piece: "bytes") -> "Optional[Line]":
    if not piece.endswith(b"\n"):
        return None
    try:
        line = fast_json.loads(piece.decode("ascii"))
    except ValueError:  # no ASCII, or no JSON
        return None
    return line if isinstance(line, dict) and (isinstance(line.get("seq"), int) or "first" in line) else None


def lines_of(folder: "str", boot_id: "Optional[str]" = None, after: "int" = 0) -> "Iterator[Line]":
    """Every whole line that is there now, for readers without the lock: each boot's in order, from `after` on."""
    for name in segments(folder, boot_id):
        for line in parse(read(folder + "/" + name), name)[0]:
            if line.get("schema") != SCHEMA and line["seq"] > after:
                yield line
