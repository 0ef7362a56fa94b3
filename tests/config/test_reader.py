"""The reader: what plain scalars mean, which files are odd but fine, and where every value stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config import load, reader
from aami_hpc.config.tree import find, plain
from aami_hpc.errors import PermissionRefused, StorageFault
from tests.config.support import write

if TYPE_CHECKING:
    from tests.config.conftest import AsNobody

HERE = Path("/etc/aami-hpc/config.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("0123", "0123"), ("0o17", "0o17"), ("0x1F", "0x1F"), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("2026-01-02", "2026-01-02"), (".inf", ".inf"),
        (".nan", ".nan"), ("1.", "1."), ("00.5", "00.5"), ("=", "="), ("<<", "<<"), ("-", "-"),
        ("9" * 5000, "9" * 5000), ("12", 12), ("-12", -12), ("+12", 12), ("0", 0), ("1.10", 1.1),
        (".5", 0.5), ("1e3", 1000.0), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ('"12"', "12"), ("'true'", "true"), ("! 12", "12"), ("|\n  text\n", "text\n"),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_text_unless_it_plainly_is_not(written: str, meant: object) -> None:
    if written == "-":
        written = '"-"'
    found = plain(reader.parse(f"key: {written}", HERE))["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing\n", "---\n", "--- ~\n", "\ufeff", "\ufeff# nothing\n", "---\n...\n"]
)
def test_an_empty_file_is_an_empty_configuration(text: str) -> None:
    assert plain(reader.parse(text, HERE)) == {}


def test_a_byte_order_mark_and_dos_line_ends_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfssh:\r\n  user: admin\r\n  port: 22\r\n")
    settings = load(path)
    assert (settings.ssh.user, settings.ssh.port) == ("admin", 22)
    assert settings.origin("ssh.port") == f"{path}:3"


def test_keys_are_text_whatever_they_look_like() -> None:
    assert plain(reader.parse("no: a\n12: b\n'x': c\n~: d", HERE)) == {
        "no": "a",
        "12": "b",
        "x": "c",
        "~": "d",
    }


def test_an_alias_gives_the_value_again() -> None:
    tree = reader.parse("nodes:\n  a: &big {gpus: 8}\n  b: *big\n", HERE)
    assert plain(tree) == {"nodes": {"a": {"gpus": 8}, "b": {"gpus": 8}}}
    found = find(tree, ("nodes", "b"))
    assert found is not None
    assert found.where == f"{HERE}:3"


def test_a_value_stands_where_its_key_is() -> None:
    tree = reader.parse("ssh:\n\n  user:\n    root\nnodes:\n  gpu-[1-2]: {gpus: 8,\n    model: h100}\n", HERE)
    lines = [
        found.line
        for path in (("ssh",), ("ssh", "user"), ("nodes", "gpu-[1-2]", "model"))
        if (found := find(tree, path))
    ]
    assert lines == [1, 3, 7]


def test_a_value_shows_nothing_of_itself() -> None:
    item = find(reader.parse("ssh: {key_passphrase: hunter2}", HERE), ("ssh", "key_passphrase"))
    assert "hunter2" not in f"{item} {item!r}"


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="Name a file, not a folder"):
        load(tmp_path)


@pytest.mark.timeout(20)
def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(StorageFault, match="too large"):
        load(Path("/dev/zero"))


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yaml", "# " + "x" * reader.SIZE_LIMIT)
    with pytest.raises(StorageFault, match="too large"):
        load(path)


def test_an_unreadable_file_is_a_matter_of_permission(tmp_path: Path, as_nobody: AsNobody) -> None:
    path = write(tmp_path / "config.yaml", "ssh: {user: root}\n")
    path.chmod(0o600)
    with as_nobody(tmp_path), pytest.raises(PermissionRefused, match=r"Can't read .*config\.yaml"):
        load(path)
