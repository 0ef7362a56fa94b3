"""The lines this site would write: its own settings with ours merged in, its own programs chained, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import SAYS
from aami_hpc.hooks.doctor.chain import Chain, chain
from aami_hpc.hooks.doctor.pitfalls import flags, health, times
from aami_hpc.hooks.doctor.releases import RELATIVE, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aami_hpc.hooks.doctor.facts import Facts

_LIMITS = {"Prolog": 30, "Epilog": 60}  # seconds no run of ours comes near
_LIMIT_WITH_SITE = 300  # with programs of the site's own, whose times we don't know
_SELDOM = 120  # seconds between looks, above which we propose our own


@dataclass(frozen=True, slots=True)
class Change:
    """One key: its lines now and then, without the key itself."""

    key: str
    now: tuple[str, ...]
    then: tuple[str, ...]
    why: str

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"{self.key}={value}" for value in self.then)

    def as_dict(self, *, told: bool) -> dict[str, Any]:
        """The stable keys in `--json`; without `told` the new values are kept back."""
        then = list(self.then) if told else []
        return {"key": self.key, "now": list(self.now), "then": then, "why": self.why}


@dataclass(frozen=True, slots=True)
class Proposal:
    """`unseen` says why the lines are not safe to write yet; without a word there they are."""

    changes: tuple[Change, ...] = ()
    chains: tuple[Chain, ...] = ()
    timer: bool = False  # health is to run from a timer, and is not set to
    unseen: tuple[str, ...] = ()

    @property
    def safe(self) -> bool:
        return not self.unseen

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(change.key for change in self.changes)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for change in self.changes for line in change.lines)


def propose(facts: Facts, knows: Callable[[str], bool]) -> Proposal:
    """What to change. `knows` tells whether this release's parser has a key."""
    chains = tuple(chain(facts, hook) for hook in ours.HOOKS)
    uniform = len(facts.releases) == 1  # a key that one part refuses would stop that part
    has: Callable[[str], bool] = knows if uniform else (lambda _: False)
    changes = (
        *_flags(facts),
        *_hooks(facts, chains),
        *_limits(facts, has),
        *_message(facts),
        *_health(facts, has),
    )
    named = {change.key for change in changes}
    new = tuple(one for one in chains if one.hook in named)
    needs = (*(one.launcher for one in new), *([ours.HEALTH] if "HealthCheckProgram" in named else []))
    unseen = (*_unseen(facts, needs), *_unchained(facts, new))
    return Proposal(changes, chains, _wants_timer(facts), unseen)


def _flags(facts: Facts) -> Iterator[Change]:
    if not flags.allocates(facts):
        now = facts.value("PrologFlags")
        merged = ",".join(["Alloc", *([now] if now else [])])
        yield _change(
            facts, "PrologFlags", merged, "every node of a job runs the prolog, also one without a step"
        )


def _hooks(facts: Facts, chains: tuple[Chain, ...]) -> Iterator[Change]:
    for one in chains:
        now = facts.values(one.hook)
        if one.lines != now:
            yield Change(one.hook, now, one.lines, one.why)


def _limits(facts: Facts, has: Callable[[str], bool]) -> Iterator[Change]:
    """A limit where there is none or too small a one. Programs of slurmctld fall under it, too: then it is a person's."""
    short = [hook for hook in ours.HOOKS if (facts.hook_limit(hook) or 0) < times.NEEDED[hook]]
    if not short or any(facts.values(f"{hook}Slurmctld") for hook in ours.HOOKS):
        return
    site = any(facts.site_programs(hook) for hook in ours.HOOKS)
    wanted = dict.fromkeys(_LIMITS, _LIMIT_WITH_SITE) if site else _LIMITS
    why = "a hook that hangs is ended, and its node drained"
    if all(has(f"{hook}Timeout") for hook in short):
        for hook in short:
            yield _change(facts, f"{hook}Timeout", str(wanted[hook]), why)
    else:
        yield _change(facts, "PrologEpilogTimeout", str(max(wanted[hook] for hook in short)), why)


def _message(facts: Facts) -> Iterator[Change]:
    seconds = facts.seconds("MessageTimeout")
    if seconds is not None and seconds < times.MESSAGE_NEEDED:
        why = "users read that a prolog hangs two seconds before this"
        yield _change(facts, "MessageTimeout", str(times.MESSAGE_DEFAULT), why)


def _health(facts: Facts, has: Callable[[str], bool]) -> Iterator[Change]:
    program = facts.value("HealthCheckProgram")
    if program not in ("", ours.HEALTH) or (facts.timer and not program):
        return  # theirs stays as it is, with all its settings
    if not program:
        yield _change(facts, "HealthCheckProgram", ours.HEALTH, "somebody looks at the nodes between jobs")
    interval = facts.seconds("HealthCheckInterval") or 0
    if interval < ours.HEALTH_S or interval > _SELDOM:
        yield _change(facts, "HealthCheckInterval", str(ours.FRESH_S), "the prolog rests on what health saw")
        interval = ours.FRESH_S
    if health.left_out(facts):
        cycle = ",CYCLE" if "cycle" in facts.flags("HealthCheckNodeState") else ""
        yield _change(
            facts, "HealthCheckNodeState", f"ANY{cycle}", "every node is looked at, drained ones too"
        )
    limit = facts.seconds("HealthCheckTimeout") or 60
    if has("HealthCheckTimeout") and not health.TIMEOUT_NEEDED <= limit < interval:
        why = "longer than a look of ours, shorter than the interval"
        yield _change(facts, "HealthCheckTimeout", str(health.TIMEOUT_NEEDED + 5), why)


def _change(facts: Facts, key: str, value: str, why: str) -> Change:
    now = () if facts.has_no_limit(key) else facts.values(key)
    return Change(key, now, (value,), why)


def _wants_timer(facts: Facts) -> bool:
    return not facts.timer and facts.value("HealthCheckProgram") not in ("", ours.HEALTH)


def _unseen(facts: Facts, needs: tuple[str, ...]) -> Iterator[str]:
    """Why it is not certain that every node has every program."""
    if not facts.nodes:
        yield "Slurm names no node to this user"
    elif facts.hidden_nodes:
        yield "PrivateData hides nodes from this user: there may be more than were asked"
    if facts.nodes and not facts.answers:
        yield f"no node could be asked: {', '.join(sorted(set(facts.unasked.values())))}"
    elif facts.unasked:
        yield f"could not ask {fold(facts.unasked)}"
    for program in needs:
        yield from _not_there(facts, program)


def _not_there(facts: Facts, program: str) -> Iterator[str]:
    if not program.startswith("/"):
        yield from _not_sent(facts, program)
        return
    found: dict[str, list[str]] = {}
    for node, one in facts.answers.items():
        if one.status(program) != "ok":
            found.setdefault(SAYS[one.status(program)], []).append(node)
    for says, nodes in found.items():
        yield f"{program} is {says} on {fold(nodes)}"


def _not_sent(facts: Facts, program: str) -> Iterator[str]:
    """A program that slurmctld sends: it has to be beside slurm.conf there, and nodes have to take it."""
    if facts.beside is None:
        yield f"whether {program} is beside slurm.conf shows on the controller alone: ask there"
    elif facts.beside[program].status != "ok":
        yield f"{facts.folder}/{program} is {SAYS[facts.beside[program].status]} on this controller"
    own = [
        node
        for node, one in facts.answers.items()
        if not one.configless and one.status(f"{facts.folder}/{program}") != "ok"
    ]
    if own:
        yield f"{fold(own)} have a slurm.conf of their own, and no {program} beside it"
    if facts.oldest is not None and facts.oldest < RELATIVE:
        yield f"a part of this Slurm is older than {words(RELATIVE)}"


def _unchained(facts: Facts, chains: tuple[Chain, ...]) -> Iterator[str]:
    """Launchers that would not run the site's own program: the lines would silently take it away."""
    for one in chains:
        if one.site:
            yield from _does_not_run(facts, one)


def _does_not_run(facts: Facts, one: Chain) -> Iterator[str]:
    if not one.launcher.startswith("/"):
        if facts.beside is not None and facts.beside[one.launcher].site != one.site:
            yield f"{facts.folder}/{one.launcher} does not run {one.site}: write site={one.site} into it"
        return
    nodes = [node for node, told in facts.answers.items() if told.seen(one.launcher).site != one.site]
    if nodes:
        yield f"{one.launcher} does not run {one.site} on {fold(nodes)}: write site={one.site} into it"
