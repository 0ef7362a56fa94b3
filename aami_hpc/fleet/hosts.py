"""hosts.txt: one node a line, `name ip [key=value…]`. Read whole; every bad line is told at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aami_hpc.errors import HostsFileInvalid
from aami_hpc.model.node import is_node_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_HOSTNAME = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*"
)
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NUMBERS = {"gpus": 1024, "ssh_port": 65535}
# Keys that are no labels, by their names in the configuration.
_KNOWN = {
    "gpus": "gpus",
    "model": "model",
    "partition": "partitions",
    "ssh_port": "ssh_port",
    "ssh_user": "ssh_user",
}
_KEYS = f"keys are {', '.join(_KNOWN)} and labels of your own"
_NO_LABELS = frozenset(
    {"address", "gpu", "ip", "label", "labels", "name", "partitions", "port", "state", "user"}
)
_SHOWN = 20  # bad lines told in words, the others by their numbers


@dataclass(frozen=True, slots=True)
class Host:
    """One node to add. `attributes` are keys of the configuration's entry for it."""

    name: str
    address: str
    attributes: Mapping[str, object] = field(default_factory=dict)

    def entry(self) -> dict[str, object]:
        """What `nodes` in the configuration holds for it."""
        return {"address": self.address, **self.attributes}


class NotAHost(ValueError):
    """Why a host can't be; the words follow what it is about."""


def parse(text: str, present: Collection[str] = ()) -> tuple[Host, ...]:
    """The hosts of the text. `present` are names that can't be added again."""
    found: dict[str, tuple[int, Host]] = {}
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            host = _line(words)
            _new(host.name, present, found)
        except NotAHost as error:
            bad.append((number, str(error)))
        else:
            found[host.name] = number, host
    if bad:
        raise _invalid(bad)
    return tuple(host for _, host in found.values())


def make(name: str, address: str, pairs: Iterator[tuple[str, str]]) -> Host:
    """A host from its parts, or NotAHost."""
    if not is_node_name(name):
        raise NotAHost(f"{_short(name)} can't be the name of a node")
    if not is_address(address):
        raise NotAHost(f"{_short(address)} is neither an IP address nor a host name")
    attributes: dict[str, object] = {}
    labels: dict[str, object] = {}
    for key, value in pairs:
        if key in _NO_LABELS:
            raise NotAHost(f"{key} is no key: {_KEYS}")
        kept = labels if key not in _KNOWN else attributes
        place = _KNOWN.get(key, key)
        if place in kept:
            raise NotAHost(f"{key} is given twice")
        kept[place] = _value(key, value)
    if labels:
        attributes["labels"] = labels
    return Host(name, address, attributes)


def pair(text: str) -> tuple[str, str]:
    """A `key=value`, or NotAHost."""
    key, sign, value = text.partition("=")
    if not sign or not value or not _LABEL.fullmatch(key) or not value.isprintable():
        raise NotAHost(f"{_short(text)} is no key=value")
    return key, value


def is_address(text: str) -> bool:
    """An IP address, or a host name that could be one."""
    try:
        ip_address(text)
    except ValueError:
        # Digits and dots that are no IP address are a slip of the pen, not a host name.
        return bool(_HOSTNAME.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


def _line(words: list[str]) -> Host:
    if len(words) < 2:  # noqa: PLR2004 - a name and an address
        raise NotAHost(f"{_short(words[0])} has no address; a line is: name ip [key=value…]")
    name, address, *rest = words
    return make(name, address, map(pair, rest))


def _new(name: str, present: Collection[str], found: Mapping[str, tuple[int, Host]]) -> None:
    if name in found:
        raise NotAHost(f"{name} is on line {found[name][0]} already")
    if name in present:
        raise NotAHost(f"{name} is in the configuration already")


def _value(key: str, value: str) -> object:
    if key == "partition":
        return [_plain(word) for word in value.split(",")]
    if key not in _NUMBERS:
        return _plain(value)
    most = _NUMBERS[key]
    if not (value.isascii() and value.isdigit() and len(value) <= 6 and int(value) <= most):  # noqa: PLR2004
        raise NotAHost(f"{key}={_short(value)} is no number up to {most}")
    return int(value)


def _plain(text: str) -> str:
    """Text that the configuration gives back as it is: `${` would be a variable there."""
    return text.replace("${", "$${")


def _invalid(bad: list[tuple[int, str]]) -> HostsFileInvalid:
    told = "; ".join(f"line {number}: {why}" for number, why in bad[:_SHOWN])
    others = ", ".join(str(number) for number, _ in bad[_SHOWN:])
    plural = "line" if len(bad) == 1 else "lines"
    return HostsFileInvalid(
        f"{len(bad)} bad {plural}, nothing was added",
        cause=f"{told}; and the lines {others}" if others else told,
        hint="Correct them and add the file again. A line is: name ip [key=value…]",
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004 - what fits in a line
