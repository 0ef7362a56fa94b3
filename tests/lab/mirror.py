"""Where this machine gets Debian from: the mirror, its key and the proxy, read from apt's own settings."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_URI = "http://deb.debian.org/debian"
DEFAULT_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)")
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of apt's sources. `signed_by` is a path, an armoured key, or empty."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """What debootstrap needs to know. `keyring` is None where apt trusts the mirror without a key."""

    uri: str
    keyring: bytes | Path | None


def find(root: Path = Path("/")) -> Mirror:
    """The mirror that this machine's own Debian comes from, or Debian's default on another system."""
    suite = codename(root)
    for source in sources(root):
        if suite and suite in source.suites:
            return Mirror(source.uri, None if source.trusted else _keyring(source.signed_by, root))
    return Mirror(DEFAULT_URI, DEFAULT_KEYRING)


def codename(root: Path = Path("/")) -> str:
    """The Debian suite of this machine; empty on another system."""
    release = _os_release(root)
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


def sources(root: Path = Path("/")) -> Iterator[Source]:
    """Every enabled binary source, from both of apt's formats."""
    apt = root / "etc/apt"
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        if path.is_file():
            yield from _one_line_format(path.read_text(errors="replace"))
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from _deb822(path.read_text(errors="replace"))


def proxy_environment() -> dict[str, str]:
    """The proxies that apt uses, for programs that know only the environment."""
    found = {}
    for scheme in ("http", "https"):
        try:
            asked = subprocess.run(
                ["apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            return {}
        value = asked.stdout.strip().removeprefix("PROXY=").strip("'\"")
        if value and value != "DIRECT" and f"{scheme}_proxy" not in os.environ:
            found[f"{scheme}_proxy"] = value
    return found


def dearmour(text: str) -> bytes:
    """An armoured OpenPGP key as the binary keyring that gpgv reads."""
    body = text.partition(_ARMOUR)[2].partition("-----END")[0]
    lines = [line.strip() for line in body.splitlines()]
    wanted = [line for line in lines if line and ":" not in line and not line.startswith("=")]
    return base64.b64decode("".join(wanted))


def _one_line_format(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip())
        if match:
            options = dict(part.partition("=")[::2] for part in (match["options"] or "").split())
            yield Source(
                match["uri"].rstrip("/"),
                (match["suite"],),
                options.get("signed-by", "").partition(",")[0],
                options.get("trusted") == "yes",
            )


def _deb822(text: str) -> Iterator[Source]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") == "no":
            continue
        for uri in fields.get("uris", "").split():
            yield Source(
                uri.rstrip("/"),
                tuple(fields.get("suites", "").split()),
                fields.get("signed-by", ""),
                fields.get("trusted") == "yes",
            )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        if line[:1] in {" ", "\t"} and key:
            fields[key] += "\n" + ("" if line.strip() == "." else line.strip())
        elif ":" in line:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            fields[key] = value.strip()
    return fields


def _keyring(signed_by: str, root: Path) -> bytes | Path:
    text = signed_by.strip()
    if text.startswith("/"):
        path = root / text.split()[0].lstrip("/")
        if path.is_file() and _ARMOUR.encode() in path.read_bytes():
            return dearmour(path.read_text())
        return path
    return dearmour(text) if _ARMOUR in text else DEFAULT_KEYRING


def _os_release(root: Path) -> Mapping[str, str]:
    try:
        lines = (root / "etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
