"""The lines of a log that can matter, found without looking at the others.

Two marks of the drivers are searched in whole blocks, each on its own: several times faster than one pattern, or than
looking at every line. What other parts of the kernel say about a GPU is looked for only near such a line.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Set, Tuple, Union

    Span = Tuple[int, int]

MARKS = (b"NVRM", b"nvidia-nvswitch")
JSON_MARKS = (*MARKS, b'"MESSAGE":[', b'"MESSAGE" : [')  # bytes that are no UTF-8 come as numbers there
NEARBY_MARKS = (
    b"nvrm",
    b"nvidia: probe",
    b"driver nvidia failed",
    b"PCIe Bus Error",
    b"AER: ",
    b"pciehp",
    b" inaccessible",
)
EXACT = JSON_MARKS + NEARBY_MARKS
EXACT_TEXT = tuple(mark.decode("ascii") for mark in EXACT)
BLOCK = 1 << 17
NEAR = 1 << 12  # bytes, about forty lines
LONGEST_LINE = 1 << 16  # a record of the kernel is a hundred times shorter


def matter(line: "Union[bytes, str]") -> "bool":
    if isinstance(line, str):
        return any(mark in line for mark in EXACT_TEXT)
    return any(mark in line for mark in EXACT)


def of_file(stream: "Any", first: "bytes" = b"", marks: "Tuple[bytes, ...]" = MARKS) -> "Iterator[bytes]":
    """Lines that matter, in order; all lines if there are no marks. `first` is what was already read.

    A line without an end is cut. How the stream is cut into blocks makes no difference.
    """
    read = getattr(stream, "read1", stream.read)
    scan = Scan(marks)
    block = first or read(BLOCK)
    while block:
        yield from scan.lines(block)
        block = read(BLOCK)
    yield from scan.lines(b"", at_end=True)


class Scan:
    """Searches a log block by block. All places are counted in a buffer that begins a little before the new block."""

    def __init__(self, marks: "Tuple[bytes, ...]") -> "None":
        self.marks = marks
        self.buffer = b""
        self.fresh = 0  # up to here the drivers' marks were searched
        self.done = 0  # up to here the other marks were, where they had to be
        self.until = 0  # up to here they have to be, because of a hit before

    def lines(self, block: "bytes", *, at_end: "bool" = False) -> "List[bytes]":
        self.buffer += block
        data = self.buffer
        end = len(data) if at_end else data.rfind(b"\n") + 1
        if end <= self.fresh and len(data) - self.fresh > LONGEST_LINE:
            end = len(data)
        if end <= self.fresh:
            return []
        found = self._marked(data, end) if self.marks else data[self.fresh : end].splitlines()
        self._forget(data, end)
        return found

    def _marked(self, data: "bytes", end: "int") -> "List[bytes]":
        hits = sorted(at for mark in self.marks for at in places(data, mark, self.fresh, end))
        spans: "Set[Span]" = {_line(data, at, end) for at in hits}
        for start, stop in self._near(hits, end):
            spans.update(
                _line(data, at, end)
                for mark in NEARBY_MARKS
                for at in places(data, mark, start, min(stop + len(mark), end))
            )
        told = [(span[0] < self.fresh, data[span[0] : span[1]]) for span in sorted(spans)]
        return [line for old, line in told if not (old and any(mark in line for mark in self.marks))]

    def _near(self, hits: "List[int]", end: "int") -> "Iterator[Span]":
        """The parts of the buffer near a hit that were not searched yet, one after the other."""
        for reach in [self.until] + [at + NEAR for at in hits]:
            start, stop = max(reach - 2 * NEAR, self.done), min(reach, end)
            if start < stop:
                yield start, stop
            self.done, self.until = max(self.done, stop), max(self.until, reach)

    def _forget(self, data: "bytes", end: "int") -> "None":
        """Keep what may still turn out to be near a hit, from the start of a line."""
        cut = max(end - 2 * NEAR, 0)
        line_end = data.find(b"\n", cut, end)
        cut = line_end + 1 if cut and line_end >= 0 else cut
        self.buffer = data[cut:]
        self.fresh = end - cut
        self.done, self.until = max(self.done - cut, 0), max(self.until - cut, 0)


def places(data: "bytes", mark: "bytes", start: "int", stop: "int") -> "Iterator[int]":
    """Where a mark stands, once a line."""
    at = data.find(mark, start, stop)
    while at >= 0:
        yield at
        line_end = data.find(b"\n", at, stop)
        at = data.find(mark, line_end, stop) if line_end >= 0 else -1


def _line(data: "bytes", at: "int", end: "int") -> "Span":
    stop = data.find(b"\n", at, end)
    return data.rfind(b"\n", 0, at) + 1, end if stop < 0 else stop
