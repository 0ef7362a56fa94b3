"""The text of a new configuration: YAML with a comment per choice that says where it came from."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.actions.init import Choice

_HEAD = """\
# The configuration of aami-hpc, written by `aami-hpc init`.
# Every key there is: aami-hpc config schema. Check a change: aami-hpc config check.
"""
_NODES_FROM_SLURM = """
# Nodes, partitions and GPUs are asked of Slurm each time. An entry under `nodes` adds what Slurm does not
# know, such as an address or a label, for a node or a range: gpu-[001-128].
"""
_GAP = "\n"  # before each section
# Words that YAML readers of any kind take for text: they begin with a letter and are no yes, no, on, off, null.
_PLAIN = re.compile(r"/?[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def compose(choices: Iterable[Choice], *, slurm: bool) -> str:
    """The whole file. Choices that share the beginning of their keys must follow one another."""
    lines = [_HEAD]
    above: tuple[str, ...] = ()
    for choice in choices:
        *parents, last = choice.key
        for depth, key in enumerate(parents):
            if above[: depth + 1] != (*parents[: depth + 1],):
                lines.append(f"{'  ' * depth or _GAP}{_scalar(key)}:\n")
                above = ()
        above = tuple(parents)
        value = choice.value if isinstance(choice.value, int) else _scalar(choice.value.replace("${", "$${"))
        lines.append(f"{'  ' * len(parents)}{_scalar(last)}: {value}  # {_comment(choice.source)}\n")
    return "".join(lines) + (_NODES_FROM_SLURM if slurm else "")


def _scalar(text: str) -> str:
    """Text that YAML gives back as the same text. A JSON string is a YAML string."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """One line, whatever the text holds."""
    return "".join(char if char.isprintable() else "?" for char in text)
