"""Settings written for people read back as the same settings, by our reader and by any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.config import keys, load, reader
from aami_hpc.config.effective import effective
from aami_hpc.config.emit import flow, leaves, lines
from aami_hpc.config.tree import plain
from tests.config.support import write

texts = st.text(max_size=12).filter(
    lambda text: "\ufffd" not in text and text.isprintable()
) | st.sampled_from(
    [
        "no",
        "on",
        "y",
        "12",
        "0123",
        "1:30",
        "true",
        "null",
        "~",
        "",
        "gpu-[1-2]",
        "3s",
        "***",
        "a: b",
        "# x",
        "a\nb",
        "\x07",
        "0x1f",
        "1e3",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_what_is_written_is_read_again(data: dict[str, Any]) -> None:
    text = "\n".join(lines(data, lambda key: "where: #1"))
    assert plain(reader.parse(text, Path("/x"))) == data
    assert (yaml.safe_load(text) or {}) == data
    assert yaml.safe_load(flow(data)) == data


def test_the_effective_settings_are_a_configuration(tmp_path: Path) -> None:
    given_ = load(
        write(
            tmp_path / "a.yaml",
            "ssh: {user: 'no', keepalive: 90s, identity_files: [/a]}\n"
            "nodes: {'gpu-[001-004]': {gpus: 8, labels: {a: '1'}}, '[1-2]': }\ngroups: {rack: {r1: 'gpu-[001-004]'}}\n",
        ),
        environ={},
    )
    text = "\n".join(lines(effective(given_), given_.origin))
    again = load(write(tmp_path / "b.yaml", text), environ={})
    assert effective(again) == effective(given_)


def test_every_line_says_where_it_comes_from(tmp_path: Path) -> None:
    main = write(tmp_path / "config.yaml", "ssh:\n  user: admin\n")
    settings = load(main, environ={})
    shown = list(lines(effective(settings), settings.origin))
    assert f"  user: admin  # {main}:2" in shown
    assert "  connections: 64  # built-in default" in shown
    assert len([line for line in shown if "  # " in line]) == len(list(leaves(effective(settings))))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_keys_survive_being_written(parts: list[str]) -> None:
    assert keys.split(keys.join(parts)) == tuple(parts)
    assert keys.join(parts).isprintable()
