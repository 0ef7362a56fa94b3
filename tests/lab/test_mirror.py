"""The mirror, its key and the proxy come from apt's own settings, in either format."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.lab import mirror

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(200))
ARMOURED = (
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\n"
    + base64.encodebytes(KEY).decode()
    + "=ab12\n-----END PGP PUBLIC KEY BLOCK-----\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    _system(tmp_path, "ID=debian\nVERSION_CODENAME=bookworm\n")
    return tmp_path


def _system(root: Path, text: str) -> None:
    (root / "etc/os-release").write_text(text)


def _deb822(root: Path, text: str) -> None:
    (root / "etc/apt/sources.list.d/debian.sources").write_text(text)


def test_the_newer_format(root: Path) -> None:
    _deb822(
        root,
        "# a comment\nTypes: deb\nURIs: http://mirror.example/debian-security/\nSuites: bookworm-security\n"
        "Components: main\n\nTypes: deb deb-src\nURIs: http://mirror.example/debian/\n"
        "Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/mirror.gpg\n",
    )
    assert mirror.find(root) == mirror.Mirror(
        "http://mirror.example/debian", root / "usr/share/keyrings/mirror.gpg"
    )


def test_the_older_format(root: Path) -> None:
    (root / "etc/apt/sources.list").write_text(
        "# deb http://commented.example bookworm main\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/mirror.gpg] http://mirror.example/debian bookworm main\n"
    )
    assert mirror.find(root) == mirror.Mirror(
        "http://mirror.example/debian", root / "usr/share/keyrings/mirror.gpg"
    )


def test_without_a_key_named_it_is_debian_s_own(root: Path) -> None:
    (root / "etc/apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert mirror.find(root).keyring == mirror.DEFAULT_KEYRING


def test_a_key_inside_the_source(root: Path) -> None:
    lines = "".join(f" {line or '.'}\n" for line in ARMOURED.splitlines())
    _deb822(root, f"Types: deb\nURIs: http://m.example\nSuites: bookworm\nSigned-By:\n{lines}")
    assert mirror.find(root).keyring == KEY


def test_an_armoured_key_file_becomes_binary(root: Path) -> None:
    (root / "mirror.asc").write_text(ARMOURED)
    _deb822(root, "Types: deb\nURIs: http://m.example\nSuites: bookworm\nSigned-By: /mirror.asc\n")
    assert mirror.find(root).keyring == KEY


def test_a_mirror_that_apt_trusts_needs_no_key(root: Path) -> None:
    _deb822(root, "Types: deb\nURIs: http://m.example\nSuites: bookworm\nTrusted: yes\n")
    assert mirror.find(root) == mirror.Mirror("http://m.example", None)
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] http://other.example bookworm main\n")
    assert mirror.find(root) == mirror.Mirror("http://other.example", None)


def test_a_disabled_source_is_passed_over(root: Path) -> None:
    _deb822(root, "Types: deb\nURIs: http://m.example\nSuites: bookworm\nEnabled: no\n")
    assert mirror.find(root).uri == mirror.DEFAULT_URI


def test_another_system_uses_debian_s_own_mirror(root: Path) -> None:
    _system(root, 'ID=ubuntu\nVERSION_CODENAME="noble"\n')
    _deb822(root, "Types: deb\nURIs: http://archive.ubuntu.example\nSuites: noble\n")
    assert mirror.find(root) == mirror.Mirror(mirror.DEFAULT_URI, mirror.DEFAULT_KEYRING)
    assert mirror.codename(root) == ""


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="no apt on this system")
def test_the_proxy_of_apt_is_used_unless_the_environment_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "apt.conf"
    settings.write_text(
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::https::Proxy "DIRECT";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(settings))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert mirror.proxy_environment() == {"http_proxy": "http://proxy.example:3128"}
    monkeypatch.setenv("http_proxy", "http://mine.example")
    assert mirror.proxy_environment() == {}
