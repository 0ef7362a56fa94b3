"""The nodes over SSH for `hooks doctor`: one read-only script on each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aami_hpc.fleet.reach import ssh_options, targets
from aami_hpc.hooks.doctor.node_script import read, script
from aami_hpc.io.ssh import MEANINGS, SshPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_hpc.actions.hooks_doctor_facts import Asked, Asking
    from aami_hpc.io.ssh import Host, Outcome
    from aami_hpc.model.node import Node


def ask(asking: Asking, nodes: Sequence[Node], patterns: Sequence[str], spool: str, asked: Asked) -> None:
    """Ask these nodes about these programs. Nodes that are switched off on purpose are not connected to."""
    asked.unasked |= {node.name: f"it is {node.state}" for node in nodes if not node.reachable_by_ssh}

    python = str(asking.settings.hooks.python or "")

    async def work(host: Host) -> Outcome:
        return await host.run(script(patterns, spool.replace("%n", host.name), python))

    def note(outcome: Outcome) -> None:
        if outcome.ok and not outcome.truncated:
            asked.answers[outcome.name] = read(outcome.text, patterns)
        else:
            asked.unasked[outcome.name] = _why(outcome)
        asking.progress.step(outcome.name)

    async def everywhere() -> None:
        async with SshPool(ssh_options(asking.settings), local=asking.local) as pool:
            async for outcome in pool.each(targets(present), work):
                note(outcome)
        asked.remarks += pool.remarks

    present = [node for node in nodes if node.reachable_by_ssh]
    try:
        asking.progress.start("Asking nodes", len(present))
        asyncio.run(everywhere())
    finally:
        asking.progress.finish()


def _why(outcome: Outcome) -> str:
    return "its answer is longer than we take" if outcome.ok else MEANINGS[outcome.kind].says
