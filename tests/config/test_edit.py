"""Changing one value in a text: every other line stays as it is, and nothing else changes its meaning."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.config import keys, reader
from aami_hpc.config.edit import changed
from aami_hpc.config.tree import find, plain
from aami_hpc.errors import AamiError, ConfigError, ConfigSyntax, UsageFault

HERE = Path("/etc/aami-hpc/config.yaml")
TEXT = """\
# before the beginning
---
cluster:
  name:   alpha   # the name

# about ssh
ssh:
  # who
  user: root # u
  identity_files:
    - /a/b   # first
    - ~/c
  proxy_jump: 'a b'
  key_passphrase: !file secrets/pass
slurm:
  # conf: /etc/x
nodes:
  gpu-[001-128,140]: {gpus: 8, labels: {rack: "012", z: no, d: 2026-01-01}}   # eight
  "gpu-2.x":
    address: 1:30
    labels: {a: 0123, b: 1_000, c: 0x1F, d: 1e3, e: 1.10, f: ~, g: , on: yes, 12: x}
"""


def lines_changed(text: str, key: str, value: str) -> list[str]:
    made = changed(text, HERE, keys.split(key), value)
    diff = difflib.unified_diff(text.splitlines(), made.splitlines(), n=0, lineterm="")
    return [line for line in list(diff)[2:] if not line.startswith("@@")]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ssh.user", "admin", ["-  user: root # u", "+  user: admin # u"]),
        ("ssh.user", "no", ["-  user: root # u", "+  user: no   # u"]),
        ("ssh.user", "root", []),
        ("ssh.port", "22", ["+  port: 22"]),
        ("cluster.name", "'12'", ["-  name:   alpha   # the name", "+  name: '12'      # the name"]),
        ("slurm.timeout", "5s", ["+  timeout: 5s"]),
        ("storage.state_dir", "/x", ["+storage:", "+  state_dir: /x"]),
        (
            "ssh.identity_files", "[/x, ~/y]",
            ["-  identity_files:", "-    - /a/b   # first", "-    - ~/c", "+  identity_files: [/x, ~/y]"],
        ),
        ("ssh.key_passphrase", "!file /y", ["-  key_passphrase: !file secrets/pass", "+  key_passphrase: !file /y"]),
        ("ssh.key_passphrase", "${X}", ["-  key_passphrase: !file secrets/pass", "+  key_passphrase: ${X}"]),
        ("ssh.proxy_jump", "", ["-  proxy_jump: 'a b'", "+  proxy_jump: ''"]),
        ('nodes."gpu-2.x".address', "10.0.0.1", ["-    address: 1:30", "+    address: 10.0.0.1"]),
    ],
)  # fmt: skip
def test_only_the_lines_of_the_value_change(key: str, value: str, expected: list[str]) -> None:
    assert lines_changed(TEXT, key, value) == expected


def test_a_flow_mapping_is_changed_in_its_line() -> None:
    (gone, come) = lines_changed(TEXT, "nodes.gpu-[001-128,140].gpus", "4")
    assert come == gone.replace("-  gpu-", "+  gpu-").replace("gpus: 8", "gpus: 4")


def test_dos_line_ends_and_a_byte_order_mark_stay() -> None:
    dos = "\ufeff" + TEXT.replace("\n", "\r\n")
    made = changed(dos, HERE, ("ssh", "user"), "admin")
    assert made == dos.replace("user: root", "user: admin")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", "ssh:\n  user: admin\n"),
        ("# only\n# comments", "# only\n# comments\nssh:\n  user: admin\n"),
        ("---\n", "---\nssh:\n  user: admin\n"),
        ("ssh:\n", "ssh:\n  user: admin\n"),
        ("ssh: {port: 22}", "ssh: {port: 22, user: admin}\n"),
        ("cluster: {name: a}", "cluster: {name: a}\nssh:\n  user: admin\n"),
    ],
)  # fmt: skip
def test_there_need_not_be_anything_before(text: str, made: str) -> None:
    assert changed(text, HERE, ("ssh", "user"), "admin") == made


@pytest.mark.parametrize("value", ["a: b", "[a", "'a", "*a", "!x a", "a\nb", "@a", "\udcff", "\x07"])
def test_a_value_that_is_no_yaml_is_wrong_usage(value: str) -> None:
    with pytest.raises(UsageFault):
        changed(TEXT, HERE, ("ssh", "user"), value)


def test_what_has_no_keys_gets_none() -> None:
    for text in ("ssh: text", "ssh: [a]"):
        with pytest.raises(ConfigError, match="there are no keys below ssh"):
            changed(text, HERE, ("ssh", "user"), "admin")
    with pytest.raises(ConfigSyntax, match=r"config\.yaml:1 opens a bracket"):
        changed("a: [1", HERE, ("ssh", "user"), "admin")


def test_a_shared_value_is_not_changed_for_its_other_users() -> None:
    text = "nodes:\n  a: &big {gpus: 8}\n  b: *big\n"
    with pytest.raises(ConfigError, match="without touching other values"):
        changed(text, HERE, ("nodes", "b", "gpus"), "4")


words = st.text(alphabet="abno159 .:#'\"-[]{}~!&*$/_\t", max_size=8)
texts = st.dictionaries(words, words | st.dictionaries(words, words, max_size=3), max_size=4).map(
    lambda data: "".join(
        f"{key}: {value}\n"
        if isinstance(value, str)
        else f"{key}: # c\n" + "".join(f"  {k}: {v}\n" for k, v in value.items())
        for key, value in data.items()
    )
)


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from([("ssh", "user"), ("no",), ("a", "b")]), words)
def test_whatever_is_changed_means_what_was_wanted_and_nothing_else(
    text: str, parts: tuple[str, ...], value: str
) -> None:
    try:
        made = changed(text, HERE, parts, value)
    except AamiError:
        return
    before, after = plain(reader.parse(text, HERE)), reader.parse(made, HERE)
    found = find(after, parts)
    assert found is not None
    assert plain(found) == (plain(reader.parse(f"v: {value}", HERE))["v"] if value else "")
    left = plain(after)
    for data in (before, left):
        data.pop(parts[0], None)
    assert before == left
