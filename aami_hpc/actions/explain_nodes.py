"""The kernel logs of nodes over SSH: the driver's lines only, each told with its Slurm node name."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import aami_xid
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.reach import ssh_options, targets
from aami_hpc.io.progress import NoProgress
from aami_hpc.io.run import SystemRunner
from aami_hpc.io.ssh import MEANINGS, SshPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aami_hpc.actions.explain_sources import Reading
    from aami_hpc.config import Settings
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Host, Local, Outcome
    from aami_hpc.model.node import Node
    from aami_xid.event import Event

# Without the right to read, both print nothing and would pass for a healthy node: so that is tried first.
_SCRIPT = r"""
lines='NVRM|nvidia|pcieport|pciehp|"MESSAGE" ?:\['
if [ -n "$(journalctl -q --no-pager -n 1 -o cat _TRANSPORT=kernel 2>/dev/null)" ]; then
  journalctl -q --no-pager -o json {since} _TRANSPORT=kernel | grep -aE "$lines" || :
elif dmesg >/dev/null 2>&1; then
  {{ dmesg --time-format iso 2>/dev/null || dmesg; }} | grep -aE "$lines" || :
else
  echo 'neither the journal nor dmesg can be read by this user' >&2
  exit 1
fi
"""
_LIMIT = 64 * 1024 * 1024


def ask(
    settings: Settings,
    expression: str,
    reading: Reading,
    progress: Progress | None,
    local: Local | None = None,
) -> Iterator[Event]:
    """The events of every node, node by node. One that can't be asked is a remark; when none can, an error."""
    gathered = gather(settings, SystemRunner(), os.environ)
    if gathered.remark:
        reading.remarks.append(gathered.remark)
    chosen = gathered.chosen(expression)
    nodes = [node for node in chosen if node.reachable_by_ssh]
    off = [node.name for node in chosen if not node.reachable_by_ssh]
    if off:
        reading.remarks.append(f"{fold(off)}: switched off or not yet there, not read.")
    since = "" if reading.since is None else f"--since=@{int(reading.since)}"
    found = asyncio.run(_run(settings, nodes, _SCRIPT.format(since=since), progress or NoProgress(), local))
    if found and not any(outcome.ok for outcome in found):
        raise found[0].error()
    for outcome in sorted(found, key=lambda one: one.name):
        yield from _events(outcome, reading)


def _events(outcome: Outcome, reading: Reading) -> Iterator[Event]:
    if not outcome.ok:
        words = f"{outcome.name} was not read: {MEANINGS[outcome.kind].says}"
        reading.remarks.append(f"{words} ({outcome.detail})." if outcome.detail else f"{words}.")
        reading.partial = True
        return
    if outcome.truncated:
        reading.remarks.append(f"{outcome.name}: its log is longer than we take; the rest was left out.")
        reading.partial = True
    for event in aami_xid.read(outcome.stdout.splitlines(), year=reading.year, host=outcome.name):
        event.host = outcome.name  # not what the node calls itself: Slurm's name is what people act on
        yield event


async def _run(
    settings: Settings, nodes: Sequence[Node], script: str, progress: Progress, local: Local | None
) -> list[Outcome]:
    async def work(host: Host) -> Outcome:
        return await host.run(script, limit=_LIMIT)

    found = []
    progress.start("Reading kernel logs", len(nodes))
    try:
        async with SshPool(ssh_options(settings), local=local) as pool:
            async for outcome in pool.each(targets(nodes), work):
                found.append(outcome)
                progress.step(outcome.name)
    finally:
        progress.finish()
    return found
