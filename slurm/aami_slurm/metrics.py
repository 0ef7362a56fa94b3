"""The text format of Prometheus: escaped, cut, no series twice. One bad line would cost node_exporter the whole file."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Tuple, Union

    Labels = Iterable[Tuple[str, Union[str, int, None]]]

LONGEST = 128  # characters of a label's value


class Page:
    """Families in the order they are begun, each with the samples added to it."""

    def __init__(self) -> "None":
        self._families: "List[Tuple[str, Dict[str, str]]]" = []
        self._samples: "Dict[str, str]" = {}

    def family(self, name: "str", kind: "str", about: "str") -> "None":
        """What follows belongs to this metric; a family without a sample is left out."""
        self._samples = {}
        self._families.append(("# HELP %s %s\n# TYPE %s %s\n" % (name, about, name, kind), self._samples))
        self._name = name

    def add(self, labels: "Labels", value: "Union[int, float]") -> "None":
        """One sample of the family begun last; the first of those with the same labels stays."""
        told = ",".join('%s="%s"' % (name, label(text)) for name, text in labels)
        series = "%s{%s}" % (self._name, told) if told else self._name
        self._samples.setdefault(series, number(value))

    def text(self) -> "str":
        lines = []
        for head, samples in self._families:
            if samples:
                lines.append(head)
                lines.extend("%s %s\n" % sample for sample in samples.items())
        return "".join(lines)


def label(value: "Union[str, int, None]", limit: "int" = LONGEST) -> "str":
    """A label's value as it stands between quotes: printable, cut, escaped."""
    told = "" if value is None else str(value)
    kept = "".join(char if char.isprintable() else "?" for char in told[:limit])
    return kept.replace("\\", "\\\\").replace('"', '\\"')


def number(value: "Union[int, float]") -> "str":
    return str(value) if isinstance(value, int) else repr(round(value, 6))
