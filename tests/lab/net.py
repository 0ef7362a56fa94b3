"""A private network: one switch in a namespace of its own, and namespaces plugged into it.

Nothing of it shows in the machine's own network: the switch lives in the namespace `TAG-lab`, and both ends of
every cable are made inside namespaces. TAG (`aami` and four letters) is different in every run, so the same
addresses can be used side by side. There is no way out: no namespace has a route to anywhere else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.ledger import Ledger

LAB_ADDRESS = "10.77.0.1"
_PREFIX = 16
_NETNS = Path("/run/netns")
_NETNS_ETC = Path("/etc/netns")  # `ip netns exec` puts these files over those in /etc


@dataclass(frozen=True, slots=True)
class Port:
    """One machine's place on the network."""

    name: str
    address: str
    namespace: str
    plug: str  # the switch's end of the cable


class Network:
    """The switch and its ports; everything is written into the ledger that was given."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tag = _free_tag()
        self.namespace = f"{self.tag}-lab"
        self.ports: dict[str, Port] = {}
        self._bridge = f"{self.tag}br"
        ledger.netns(self.namespace)
        self._lab("link", "add", self._bridge, "type", "bridge")
        self._lab("address", "add", f"{LAB_ADDRESS}/{_PREFIX}", "dev", self._bridge)
        self._lab("link", "set", self._bridge, "up")
        self._lab("link", "set", "lo", "up")

    def plug_in(self, name: str, address: str) -> Port:
        """Make a namespace with a cable to the switch."""
        port = Port(name, address, f"{self.tag}-{name}", f"{self.tag}p{len(self.ports)}")
        self._ledger.netns(port.namespace)
        cable = ("link", "add", "host0", "netns", port.namespace)
        self._ledger.run("ip", *cable, "type", "veth", "peer", "name", port.plug, "netns", self.namespace)
        self._lab("link", "set", port.plug, "master", self._bridge, "up")
        self._at(port, "address", "add", f"{address}/{_PREFIX}", "dev", "host0")
        self._at(port, "link", "set", "host0", "up")
        self._at(port, "link", "set", "lo", "up")
        self.ports[name] = port
        return port

    def know(self, names: Mapping[str, str]) -> None:
        """Give the lab's namespace the names of these addresses, and no name server to wait for."""
        folder = _NETNS_ETC / self.namespace
        self._ledger.undo("rmdir", "--ignore-fail-on-non-empty", _NETNS_ETC)
        self._ledger.keep_track_of(folder)
        folder.mkdir(parents=True)
        (folder / "hosts").write_text(hosts_file(names))
        (folder / "resolv.conf").write_text("# no name server can be reached from here\n")

    def cut(self, name: str) -> None:
        """Pull the cable: after a few seconds the kernel says `No route to host`.

        Everybody forgets where the machine was; otherwise they would go on sending to it for a while.
        """
        self._lab("link", "set", self.ports[name].plug, "down")
        self._lab("neighbour", "flush", "to", self.ports[name].address)
        for port in self.ports.values():
            self._at(port, "neighbour", "flush", "to", self.ports[name].address)

    def mend(self, name: str) -> None:
        """Put it back in."""
        self._lab("link", "set", self.ports[name].plug, "up")

    def mute(self, name: str) -> None:
        """Let the machine hear everything and say nothing: whoever waits for an answer waits for long."""
        self._at(self.ports[name], "route", "replace", "blackhole", "10.77.0.0/17")
        self._at(self.ports[name], "route", "replace", "blackhole", "10.77.128.0/17")

    def unmute(self, name: str) -> None:
        self._at(self.ports[name], "route", "delete", "blackhole", "10.77.0.0/17")
        self._at(self.ports[name], "route", "delete", "blackhole", "10.77.128.0/17")

    def block(self, name: str) -> None:
        """Let the lab itself know no way to the machine: `No route to host` at once."""
        self._lab("route", "replace", "unreachable", f"{self.ports[name].address}/32")

    def unblock(self, name: str) -> None:
        self._lab("route", "delete", "unreachable", f"{self.ports[name].address}/32")

    def inside(self, *argv: str | Path) -> list[str]:
        """The argument list that runs a program of this machine on the lab's network."""
        return ["ip", "netns", "exec", self.namespace, *map(str, argv)]

    def _lab(self, *arguments: str) -> None:
        self._ledger.run("ip", "-netns", self.namespace, *arguments)

    def _at(self, port: Port, *arguments: str) -> None:
        self._ledger.run("ip", "-netns", port.namespace, *arguments)


def hosts_file(names: Mapping[str, str]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{at} {name}" for name, at in names.items())]
    return "".join(f"{line}\n" for line in lines)


def _free_tag() -> str:
    while True:
        tag = f"aami{secrets.token_hex(2)}"
        if not (_NETNS / f"{tag}-lab").exists():
            return tag
