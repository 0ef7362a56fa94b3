"""A plan in the library's own words: every argument it would else look up by itself, once per connection."""

from __future__ import annotations

import functools
import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from aami_hpc.io.ssh.plan import is_address

if TYPE_CHECKING:
    from aami_hpc.io.ssh.known_hosts import Trust
    from aami_hpc.io.ssh.options import SshOptions
    from aami_hpc.io.ssh.plan import Plan

# AES-GCM is several times cheaper here than the library's own first choice, and every sshd of today has it.
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
_HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_WITH_GSSAPI = "gssapi-with-mic,hostbased,publickey,keyboard-interactive,password"
_WITHOUT_GSSAPI = (
    "hostbased,publickey,keyboard-interactive,password,gssapi-with-mic"  # last: seen, never tried
)
_HOST_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("ed25519", "ecdsa", "rsa"))
_KEYSIGN = ("/usr/lib/openssh/ssh-keysign", "/usr/libexec/openssh/ssh-keysign", "/usr/libexec/ssh-keysign")

# The same for every host. No forwarding, no terminal, no environment: nothing of ours travels along.
_ALWAYS: dict[str, Any] = {
    "config": None,
    "agent_path": None,
    "proxy_command": None,
    "agent_forwarding": False,
    "password_auth": True,  # none is ever given: only to hear that the host would take one
    "x509_trusted_certs": None,
    "x509_trusted_cert_paths": [],
    "encryption_algs": _CIPHERS,
    "compression_algs": None,
    "login_timeout": 0,  # one clock runs, and it is ours
    "utf8_decode_errors": "replace",
    "gss_kex": False,
    "x11_forwarding": False,
    "send_env": None,
    "env": None,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A host that can be connected to: how, with which keys, and what is known of it."""

    plan: Plan
    trust: Trust
    keys: tuple[asyncssh.SSHKeyPair, ...]


def arguments(prepared: Prepared, options: SshOptions, *, direct: bool) -> dict[str, Any]:
    """The arguments for one connection. `direct` means that a socket of ours leads to the host."""
    plan, trust = prepared.plan, prepared.trust
    lists = (trust.keys, trust.authorities, trust.revoked, (), (), (), ())
    found = {
        **_ALWAYS,
        "known_hosts": lambda *_: lists,
        "host_key_alias": _certified_name(plan),
        "server_host_key_algs": _host_key_types(trust),
        "username": plan.user,
        "client_keys": list(prepared.keys) or None,
        "keepalive_interval": options.keepalive,
        "gss_host": _service(plan) if plan.gssapi else None,
        "gss_auth": plan.gssapi,
        "gss_delegate_creds": plan.delegate,
        "preferred_auth": plan.preferred or (_WITH_GSSAPI if has_gssapi() else _WITHOUT_GSSAPI),
        "host_based_auth": plan.host_based,
    }
    found.update((name, kept) for name, value in plan.algorithms if (kept := _usable(name, value)))
    if plan.host_based and direct:
        found.update(_host_keys())
    return found


@functools.cache
def has_gssapi() -> bool:
    """Whether the Python package for Kerberos is here."""
    return importlib.util.find_spec("gssapi") is not None


def _host_key_types(trust: Trust) -> list[str]:
    """Types of host keys in the order we ask for them: what is known comes first, as in ssh.

    All the others follow, so that a host with another key shows it and is not merely unable to agree. A
    certificate is asked for only where its authority is known.
    """
    certified = [f"{name}-cert-v01@openssh.com" for name in _HOST_KEY_TYPES] if trust.authorities else []
    known = [name.decode("ascii") for key in trust.keys for name in key.sig_algorithms]
    return list(dict.fromkeys([*certified, *known, *_HOST_KEY_TYPES]))


def _certified_name(plan: Plan) -> str:
    """The name a host's certificate must be made out to: as in ssh, the one that was connected to."""
    return plan.alias or _service(plan).lower()


def _service(plan: Plan) -> str:
    return plan.name if is_address(plan.address) else plan.address


def _host_keys() -> dict[str, Any]:
    """The keys of the machine we run on, for host-based login: root reads them, others have ssh-keysign."""
    readable = [path for path in _HOST_KEYS if os.access(path, os.R_OK)]
    if readable:
        return {"client_host_keys": readable}
    keysign = next((path for path in _KEYSIGN if os.access(path, os.X_OK)), None)
    return {"client_host_keysign": keysign} if keysign else {}


@functools.cache
def _usable(argument: str, value: str) -> str:
    """A list of algorithms from the ssh configuration, without those that the library does not have."""
    sign = value[:1] if value[:1] in "^+-" else ""
    kept = [one for one in value.lstrip("^+-").split(",") if _has(argument, sign + one)]
    return sign + ",".join(kept) if kept else ""


def _has(argument: str, value: str) -> bool:
    try:
        asyncssh.SSHClientConnectionOptions(config=None, client_keys=None, **{argument: value})
    except ValueError:
        return False
    return True
