"""Grammar, decoders and grouping of NVIDIA Xid and SXid records: standard library only, Python 3.6.

`parse` reads one line, `read` a whole log, `group` turns events into fault groups, `group_stream` does so with
constant memory, `repeats` finds what comes again. Nothing is imported before the first call.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Union

    from aami_xid.clock import Zone
    from aami_xid.event import Event
    from aami_xid.repeat import Repeat
    from aami_xid.story import Group
    from aami_xid.weights import Weight

__all__ = ["decode_text", "group", "group_stream", "parse", "read", "repeats", "sxid_weight", "xid_weight"]


def parse(
    line: "Union[bytes, str]",
    *,
    year: "Optional[int]" = None,
    date: "Optional[float]" = None,
    zone: "Zone" = None,
    host: "Optional[str]" = None,
    driver: "Optional[str]" = None,
) -> "Event":
    """The event of one line, whatever it holds: `kind` is "text" if no driver wrote it. Never raises.

    A stamp without a year takes `year`, else the latest year not behind `date` (seconds since 1970, a file's date);
    one without a zone is taken as UTC, or as `zone` (seconds east, or "local"). `driver` is the driver's version.
    """
    from aami_xid.reader import Reader

    return Reader(year, date, zone, host, driver).event(line)


def read(
    source: "Any",
    *,
    year: "Optional[int]" = None,
    date: "Optional[float]" = None,
    zone: "Zone" = None,
    host: "Optional[str]" = None,
    driver: "Optional[str]" = None,
    everything: "bool" = False,
) -> "Iterator[Event]":
    """The events of a log: a file opened in binary mode, or any iterable of lines. Options as in `parse`.

    The format is found from the first bytes. Lines without a driver's mark are not looked at; `everything` gives an
    event for every line. The year rolls over where a log runs into January.
    """
    from aami_xid import reader

    return reader.read(source, reader.Reader(year, date, zone, host, driver), everything)


def decode_text(code: "int", text: "str", driver: "Optional[str]" = None) -> "Dict[str, Any]":
    """What the driver's own text after `Xid (…): code, ` means."""
    from aami_xid import decode

    return decode.decode_text(code, text, driver)


def group(events: "Iterable[Event]", rules: "Optional[Dict[str, Any]]" = None) -> "List[Group]":
    """The fault groups of these events, in the order they ended. Every group knows all its events."""
    from aami_xid import groups

    return list(groups.stream(events, rules))


def group_stream(
    events: "Iterable[Event]", rules: "Optional[Dict[str, Any]]" = None, keep: "Optional[int]" = 64
) -> "Iterator[Group]":
    """The same, each group as soon as nothing can join it; a group keeps at most `keep` events of each code and GPU."""
    from aami_xid import groups

    return groups.stream(events, rules, keep)


def repeats(
    found: "Iterable[Group]",
    job_of: "Optional[Callable[[Group], Optional[str]]]" = None,
    rules: "Optional[Dict[str, Any]]" = None,
) -> "List[Repeat]":
    """What comes again over these groups. `job_of` names the job run that held a group's GPU, or None if unknown."""
    from aami_xid import repeat

    return repeat.find(found, job_of, rules)


def xid_weight(code: "int") -> "Weight":
    """Class, severity, action and priority of an Xid before its line is decoded."""
    from aami_xid import weights

    return weights.of_code(code)


def sxid_weight(code: "int", severity: "Optional[str]" = None) -> "Weight":
    """The same of an SXid; `severity` is the word in the line, which wins over what the driver usually gives it."""
    from aami_xid import weights
    from aami_xid.decode import nvswitch

    return weights.of_switch(severity or nvswitch.usual(code), nvswitch.scope(code))
