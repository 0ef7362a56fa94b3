"""How to reach one host: what the options say, then the ssh configuration, then ssh's own defaults."""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import socket
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.io.ssh.options import Target
from aami_hpc.io.ssh.outcome import Failed, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.io.ssh.client_config import ClientConfig, Values
    from aami_hpc.io.ssh.options import SshOptions

DEFAULT_PORT = 22
_HOST = re.compile(
    r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,254}"
)  # names, IPv4 and IPv6; never an option or a shell word
_USER = re.compile(r"[^-\s'`\"\\;&<>|(){}$@][^\s'`\"\\;&<>|(){}$]{0,63}")
_HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<bracketed>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?/?"
)
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_NOWHERE = {"none", "/dev/null"}  # common ways to switch the check off; it stays on
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_EXEC_TIMEOUT = 5.0  # seconds for a program named by `Match exec`

# ssh's words for algorithms and the arguments of the library they become.
ALGORITHMS = {
    "kexalgorithms": "kex_algs",
    "ciphers": "encryption_algs",
    "macs": "mac_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
    "hostkeyalgorithms": "server_host_key_algs",
}


@dataclass(frozen=True, slots=True)
class Local:
    """The person and the machine we connect from."""

    user: str
    home: Path
    uid: int
    host: str

    @classmethod
    def here(cls) -> Local:
        return cls(getpass.getuser(), Path.home(), os.getuid(), socket.gethostname())

    def path(self, text: str) -> Path:
        """A path as written in an ssh configuration."""
        return self.home / text[2:] if text.startswith("~/") else Path(text).expanduser()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything needed to connect to one host."""

    target: str  # as the caller named it
    name: str  # what known_hosts and certificates know it by
    address: str
    port: int
    user: str
    jump: tuple[str, ...] = ()  # hops, the first one first
    proxy_command: str = ""
    alias: str = ""  # HostKeyAlias
    identities: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str = ""  # socket of the agent; empty: none
    known_hosts: tuple[Path, ...] = ()  # the first is the one that new keys go to
    global_known_hosts: tuple[Path, ...] = ()
    revoked: Path | None = None
    hashed: bool = False  # whether names in known_hosts are written as hashes
    family: int = socket.AF_UNSPEC
    bind_address: str = ""
    gssapi: bool = True
    delegate: bool = False
    host_based: bool = False
    preferred: str = ""
    algorithms: tuple[tuple[str, str], ...] = ()  # the library's argument, and its value
    remarks: tuple[str, ...] = ()


def make_plan(target: Target, options: SshOptions, config: ClientConfig, local: Local) -> Plan:
    """The plan for one host; Failed when its name or address can't be meant."""
    _refuse_odd(target)
    values = config.lookup(
        target.name.lower(), target.user or options.user, local.user, partial(_exec, target, local)
    )
    one = {word: found[0] for word, found in values.items()}
    plan = Plan(
        target=target.name,
        name=target.name.lower(),
        address=target.address or one.get("hostname", target.name.lower()).replace("%h", target.name.lower()),
        port=target.port or options.port or int(one.get("port", DEFAULT_PORT)),
        user=one.get("user") or local.user,
        alias=one.get("hostkeyalias", "").lower(),
        identities_only=_on(one, "identitiesonly"),
        hashed=_on(one, "hashknownhosts"),
        family=_FAMILIES.get(one.get("addressfamily", ""), socket.AF_UNSPEC),
        bind_address=one.get("bindaddress", ""),
        gssapi=options.gssapi and one.get("gssapiauthentication", "yes").lower() != "no",
        delegate=_on(one, "gssapidelegatecredentials"),
        host_based=options.host_based or _on(one, "hostbasedauthentication"),
        preferred=one.get("preferredauthentications", ""),
        algorithms=tuple((name, one[word]) for word, name in ALGORITHMS.items() if word in one),
    )
    _refuse_odd(Target(plan.address, user=plan.user))
    jump, command = _ways(plan, options, one)
    return _with_files(replace(plan, jump=jump, proxy_command=command), options, values, local)


def hop(text: str) -> Target:
    """`user@host:port`, as ProxyJump has it."""
    match = _HOP.fullmatch(text.strip())
    if match is None:
        raise Failed(Kind.NAME_UNKNOWN, f"`{text}` is no jump host")
    return Target(
        (match["bracketed"] or match["host"]).lower(),
        port=int(match["port"]) if match["port"] else None,
        user=match["user"] or "",
    )


def _refuse_odd(target: Target) -> None:
    """A name is used in configuration tests and proxy commands: it must be a name and nothing else."""
    for text, pattern, what in (
        (target.name, _HOST, "host name"),
        (target.address, _HOST, "address"),
        (target.user, _USER, "user name"),
    ):
        if text and not pattern.fullmatch(text):
            raise Failed(Kind.NAME_UNKNOWN, f"That is no {what}", text)


def _ways(plan: Plan, options: SshOptions, one: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """The jump hosts or the program to go through, if any. Of ssh's two words the first one written counts."""
    first = next((word for word in one if word in {"proxyjump", "proxycommand"}), "")
    jump = options.proxy_jump or (one[first] if first == "proxyjump" else "")
    if jump and jump.lower() != "none":
        hops = tuple(part.strip() for part in jump.split(","))
        return ((), "") if plan.name == hop(hops[-1]).name else (hops, "")  # the jump host itself is near
    if not options.proxy_jump and first == "proxycommand" and one[first].lower() != "none":
        return (), one[first]
    return (), ""


def _with_files(plan: Plan, options: SshOptions, values: Values, local: Local) -> Plan:
    def paths(word: str) -> tuple[Path, ...]:
        return tuple(
            local.path(_expanded(text, tokens)) for text in values.get(word, ()) if text.lower() != "none"
        )

    tokens = _tokens(plan, local)
    remarks = []
    if values.get("stricthostkeychecking", ["yes"])[0].lower() in {"no", "off"}:
        remarks.append(
            "StrictHostKeyChecking is off in the ssh configuration: host keys are checked all the same"
        )
    user_files = [text for text in values.get("userknownhostsfile", []) if text.lower() not in _NOWHERE]
    if "userknownhostsfile" in values and not user_files:
        remarks.append("UserKnownHostsFile leads nowhere: host keys are checked against ~/.ssh/known_hosts")
    known = tuple(local.path(_expanded(text, tokens)) for text in user_files or _KNOWN_HOSTS)
    agent = values.get("identityagent", [os.environ.get("SSH_AUTH_SOCK", "")])[0]
    if agent.startswith("$") or agent == "SSH_AUTH_SOCK":
        agent = os.environ.get(agent.strip("${}"), "")
    return replace(
        plan,
        proxy_command=_expanded(plan.proxy_command, tokens),
        identities=options.identity_files or paths("identityfile"),
        certificates=paths("certificatefile"),
        agent="" if agent.lower() == "none" or not agent else str(local.path(_expanded(agent, tokens))),
        known_hosts=(options.known_hosts,) if options.known_hosts else known,
        global_known_hosts=paths("globalknownhostsfile")
        if "globalknownhostsfile" in values
        else tuple(map(Path, _GLOBAL_KNOWN_HOSTS)),
        revoked=next(iter(paths("revokedhostkeys")), None),
        remarks=tuple(remarks),
    )


def _tokens(plan: Plan, local: Local) -> dict[str, str]:
    return {
        "%": "%",
        "d": str(local.home),
        "h": plan.address,
        "i": str(local.uid),
        "k": plan.alias or plan.name,
        "L": local.host.partition(".")[0],
        "l": local.host,
        "n": plan.target,
        "p": str(plan.port),
        "r": plan.user,
        "u": local.user,
    }


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    text = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def _exec(target: Target, local: Local, command: str) -> bool:
    """A program of `Match exec`, with the tokens that are known before the configuration is."""
    address, port, user = (
        target.address or target.name,
        target.port or DEFAULT_PORT,
        target.user or local.user,
    )
    tokens = _tokens(Plan(target.name, target.name.lower(), address, port, user), local)
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", _expanded(command, tokens)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_EXEC_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _on(one: Mapping[str, str], word: str) -> bool:
    return one.get(word, "no").lower() in {"yes", "true"}


def is_address(text: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
