"""`nodes test`: log in to nodes for real, run one probe on each, and tell apart what is wrong.

`--json`: {"nodes": {NAME: {"outcome", "detail", "evidence", "seconds", "facts"}}, "groups": [{"outcome", "nodes",
"count", "detail", "hint"}], "skipped": [{"node", "state"}], "remarks": [TEXT]}. `facts` is null unless the outcome
is `ok`: {"uid", "hostname", "python", "python_version", "clock_offset", "tmp_noexec", "noise"}. The words of
`outcome` are listed in docs/ssh.md.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.nodes_test_page import page
from aami_hpc.actions.result import Result
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.reach import ssh_options, targets
from aami_hpc.io.clock import SystemClock
from aami_hpc.io.progress import NoProgress
from aami_hpc.io.ssh import MEANINGS, Host, Kind, Outcome, SshOptions, SshPool, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Local
    from aami_hpc.model.node import Node

# Few programs and no subshells: on many nodes that share a machine, or a slow file system, every fork is felt.
_PROBE = r"""
printf uid=; id -u
printf hostname=; uname -n
printf time=; date +%s
for p in python3 /usr/libexec/platform-python; do
  if command -v $p >/dev/null; then printf python=; command -v $p; printf version=; $p -V 2>&1; break; fi
done
x=no
while read -r _ where _ flags _; do
  if [ "$where" = /tmp ]; then case ",$flags," in *,noexec,*) x=yes;; *) x=no;; esac; fi
done 2>/dev/null < /proc/mounts
printf 'noexec=%s\n' $x
"""
_TMP = "/tmp"  # noqa: S108 - looked at, not used
_CLOCK_TOLERANCE = 5  # seconds between the node's clock and ours that nobody needs to hear of
_OLDEST_PYTHON = (3, 6)


@dataclass(frozen=True, slots=True)
class Found:
    """What the probe saw on a node."""

    uid: int | None
    hostname: str
    python: str
    python_version: str
    clock_offset: int | None
    tmp_noexec: bool
    noise: bool


def run(
    settings: Settings,
    nodes: Sequence[Node],
    *,
    accept_new_host_keys: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
    local: Local | None = None,
) -> Result:
    """Test these nodes. Absent ones (powered down, FUTURE, PLANNED) are skipped: neither failure nor success."""
    present = [node for node in nodes if node.reachable_by_ssh]
    skipped = [node for node in nodes if not node.reachable_by_ssh]
    outcomes, found, remarks = asyncio.run(
        _test(
            ssh_options(settings, accept_new_host_keys=accept_new_host_keys),
            targets(present),
            progress or NoProgress(),
            clock or SystemClock(),
            local,
        )
    )
    remarks = [*remarks, *_noticed(found)]
    groups = _groups(outcomes.values())
    return Result(
        data={
            "nodes": {name: _node(outcomes[name], found.get(name)) for name in sorted(outcomes)},
            "groups": groups,
            "skipped": [{"node": node.name, "state": str(node.state)} for node in skipped],
            "remarks": remarks,
        },
        document=page(outcomes, groups, skipped, remarks),
        yes=all(outcome.ok for outcome in outcomes.values()),
    )


async def _test(
    options: SshOptions, wanted: Sequence[Target], progress: Progress, clock: Clock, local: Local | None
) -> tuple[dict[str, Outcome], dict[str, Found], list[str]]:
    outcomes: dict[str, Outcome] = {}
    found: dict[str, Found] = {}

    async def probe(host: Host) -> Outcome:
        before = clock.now().timestamp()
        outcome = await host.run(_PROBE)
        if outcome.ok:
            found[host.name] = _read(outcome, before, clock.now().timestamp())
        return outcome

    pool = SshPool(options, local=local)
    try:  # from here on somebody may press Ctrl-C, and the terminal is the progress's to put right
        progress.start("Testing SSH", len(wanted))
        async with pool:
            async for outcome in pool.each(wanted, probe):
                outcomes[outcome.name] = outcome
                progress.step(outcome.name)
    finally:
        progress.finish()
    return outcomes, found, pool.remarks


def _read(outcome: Outcome, before: float, after: float) -> Found:
    """The probe's lines. They are outside text: a value that is none becomes None or nothing."""
    said = dict(line.partition("=")[::2] for line in outcome.text.splitlines())
    return Found(
        uid=_number(said.get("uid", "")),
        hostname=said.get("hostname", "")[:255],
        python=said.get("python", "")[:255],
        python_version=said.get("version", "")[:64].removeprefix("Python "),
        clock_offset=_offset(_number(said.get("time", "")), before, after),
        tmp_noexec=said.get("noexec") == "yes",
        noise=bool(outcome.noise.strip()),
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None


def _offset(there: int | None, before: float, after: float) -> int | None:
    """Seconds the node's clock is ahead. It tells whole seconds at some moment between `before` and `after`."""
    if there is None:
        return None
    if before - 1 <= there <= after:
        return 0
    return round(there + 0.5 - (before + after) / 2)


def _noticed(found: Mapping[str, Found]) -> list[str]:
    """What works but may surprise, one sentence for all nodes it is true of."""
    sayings: tuple[tuple[str, Callable[[str, Found], bool]], ...] = (
        ("Clocks are off by more than 5 s on {}: set up time synchronisation", _clock_off),
        ("Another host name than the node's is answered by {}: check their addresses", _misnamed),
        ("No Python 3.6 or newer on {}: checks on the node need one", _no_python),
        ("Login scripts print something on {}: we cope, other tools may not", lambda _, one: one.noise),
        (f"{_TMP} is mounted noexec on {{}}: we cope, other tools may not", lambda _, one: one.tmp_noexec),
    )
    remarks = []
    for saying, holds in sayings:
        names = [name for name, one in found.items() if holds(name, one)]
        if names:
            remarks.append(saying.format(fold(names)))
    return remarks


def _clock_off(_: str, one: Found) -> bool:
    return abs(one.clock_offset or 0) > _CLOCK_TOLERANCE


def _misnamed(name: str, one: Found) -> bool:
    return bool(one.hostname) and one.hostname.partition(".")[0].lower() != name.partition(".")[0].lower()


def _no_python(_: str, one: Found) -> bool:
    match = re.match(r"(\d+)\.(\d+)", one.python_version)
    return match is None or (int(match[1]), int(match[2])) < _OLDEST_PYTHON


def _node(outcome: Outcome, found: Found | None) -> dict[str, Any]:
    return {
        "outcome": outcome.kind.value,
        "detail": outcome.detail,
        "evidence": outcome.evidence,
        "seconds": round(outcome.seconds, 3),
        "facts": asdict(found) if found else None,
    }


def _groups(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Equal outcomes merged: failures first, the most frequent at the top."""
    names: defaultdict[tuple[Kind, str], list[str]] = defaultdict(list)
    for outcome in outcomes:
        names[outcome.kind, outcome.detail].append(outcome.name)
    ordered = sorted(names, key=lambda key: (key[0] is Kind.OK, -len(names[key]), key))
    return [
        {
            "outcome": kind.value,
            "nodes": fold(names[kind, detail]),
            "count": len(names[kind, detail]),
            "detail": detail,
            "hint": MEANINGS[kind].hint,
        }
        for kind, detail in ordered
    ]
