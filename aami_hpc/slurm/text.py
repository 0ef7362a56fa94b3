"""The back end that reads what scontrol and sinfo print: for every release, and for any user."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from aami_hpc.model.node import is_node_name, natural
from aami_hpc.slurm import assemble, parse
from aami_hpc.slurm.channel import SHORT, Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aami_hpc.io.clock import Clock
    from aami_hpc.io.run import Completed, Runner
    from aami_hpc.model.node import Node
    from aami_hpc.model.slurm import Controller, Partition
    from aami_hpc.slurm.parse import Described
    from aami_hpc.slurm.programs import Programs

_SHOW = ("--all", "--future", "--oneliner", "show")
_NAMES_A_CALL = 500  # names in one argument: the kernel ends an argument at 128 KiB
_CONTESTED = 16  # so many nodes that several lines claim to describe are asked for again, one by one
_REFUSED = re.compile(r"^Node (\S+) not found$", re.MULTILINE)


def draw_separator() -> str:
    """Text that nobody could know before now. It begins with no digit: sinfo would take that for a width."""
    return f"<{secrets.token_hex(8)}>"


class TextClient:
    """A SlurmClient. Tests pass a separator and a clock."""

    def __init__(
        self,
        programs: Programs,
        runner: Runner,
        timeout: float,
        *,
        separator: Callable[[], str] = draw_separator,
        clock: Clock | None = None,
    ) -> None:
        self._channel = Channel(programs, runner, timeout, clock)
        self._separator = separator

    def version(self) -> str:
        said = self._channel.answer(self._channel.deadline(), "scontrol", "--version", limit=SHORT)
        return parse.version(said)

    def config(self) -> Mapping[str, str]:
        return parse.config(self._channel.answer(self._channel.reach(), "scontrol", "show", "config"))

    def controllers(self) -> tuple[Controller, ...]:
        return self._channel.ping(self._channel.deadline())

    def partitions(self) -> tuple[Partition, ...]:
        return self._partitions(self._channel.reach())

    def nodes(self) -> tuple[Node, ...]:
        deadline = self._channel.reach()
        separator = self._separator()
        layout = f"--Format={parse.sinfo_format(separator)}"
        told = self._channel.answer(deadline, "sinfo", "--noheader", "--all", "--local", layout)
        records = {name: record for record in parse.alike(told, separator) for name in record.names}
        lines = parse.node_lines(self._channel.answer(deadline, "scontrol", *_SHOW, "nodes"))
        names = {*records, *self._existing(deadline, [name for name in lines if name not in records])}
        described = self._described(deadline, lines, names)
        member = assemble.membership(self._partitions(deadline))
        return tuple(
            assemble.node(name, records.get(name), described.get(name), member.get(name, ()))
            for name in sorted(names, key=natural)
        )

    def _partitions(self, deadline: float) -> tuple[Partition, ...]:
        return parse.partitions(self._channel.answer(deadline, "scontrol", *_SHOW, "partitions"))

    def _existing(self, deadline: float, names: Iterable[str]) -> Iterable[str]:
        """Those of the names that are nodes. Slurm's exit status says it, not the text of its answer.

        It says 'no' to a whole list when one name in it is none. The names it complains of are left out and the
        rest is asked for once more; a list that still does not hold is left out altogether.
        """
        literal = [name for name in names if is_node_name(name)]
        for start in range(0, len(literal), _NAMES_A_CALL):
            chunk = literal[start : start + _NAMES_A_CALL]
            done = self._show_nodes(deadline, chunk)
            if not done.ok:
                refused = set(_REFUSED.findall(done.stdout + done.stderr))
                chunk = [name for name in chunk if name not in refused]
                done = self._show_nodes(deadline, chunk) if chunk else done
            yield from chunk if done.ok else ()

    def _described(
        self, deadline: float, lines: Mapping[str, list[str]], names: Iterable[str]
    ) -> dict[str, Described]:
        """What describes each node: the one line of its name. Where several claim it, Slurm is asked for that
        node alone: its own line comes first then.
        """
        sure = {name: parse.describe(lines[name][0]) for name in names if len(lines.get(name, ())) == 1}
        contested = sorted(name for name in names if len(lines.get(name, ())) > 1)
        for name in contested[:_CONTESTED]:
            first = self._show_nodes(deadline, [name]).stdout.partition("\n")[0]
            if first.startswith(f"NodeName={name} "):
                sure[name] = parse.describe(first)
        return sure

    def _show_nodes(self, deadline: float, names: Sequence[str]) -> Completed:
        return self._channel.run(deadline, "scontrol", *_SHOW, "node", ",".join(names))
