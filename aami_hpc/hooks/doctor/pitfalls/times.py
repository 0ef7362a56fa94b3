"""How long Slurm waits for hooks, and what it does to jobs and users meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.finding import Finding

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts

NEEDED = {"Prolog": ours.PROLOG_S + 1, "Epilog": ours.EPILOG_S + 1}  # ours, and a moment to end
HANG_NOTICE = 2  # slurmd tells users that a prolog hangs so long before MessageTimeout
MESSAGE_NEEDED = ours.PROLOG_S + HANG_NOTICE + 1
MESSAGE_DEFAULT = 10
_LONG_MESSAGE = 60
_LONG_KILL = 300
_BATCH_DEFAULT = 10
_KILL_FACTOR = 5  # UnkillableStepTimeout is at least so many MessageTimeouts


def hook_timeout(facts: Facts) -> list[Finding]:
    """Slurm waits for ever by default, and ends a hook that takes longer by draining the node."""
    limits = {hook: facts.hook_limit(hook) for hook in ours.HOOKS}
    short = [_short(facts, hook, limit) for hook, limit in limits.items() if limit and limit < NEEDED[hook]]
    endless = [hook for hook, limit in limits.items() if not limit]
    if endless:
        return [*short, _endless(endless)]
    told = ", ".join(f"{hook.lower()}s after {limit} s" for hook, limit in limits.items())
    return short or [Finding("hook-timeout", "ok", f"Slurm ends hooks that hang: {told}")]


def _endless(hooks: list[str]) -> Finding:
    names = " and ".join(f"{hook.lower()}s" for hook in hooks)
    keys = " and ".join(f"{hook}Timeout" for hook in hooks)
    return Finding(
        "hook-timeout",
        "problem",
        f"Slurm waits for {names} for ever",
        f"Ours end after {ours.PROLOG_S} and {ours.EPILOG_S} s whatever the driver does. Any other program that hangs, "
        "one of this site for instance, holds the job and the node until somebody sees it",
        f"{keys} (25.05 and later) or PrologEpilogTimeout, longer than any healthy run of all programs: a run that "
        "takes longer drains the node",
    )


def _short(facts: Facts, hook: str, limit: int) -> Finding:
    own = f"{hook}Timeout"
    key = own if facts.seconds(own) is not None else "PrologEpilogTimeout"
    return Finding(
        "hook-timeout",
        "problem",
        f"{key} is {limit} s: our {hook.lower()} may take {NEEDED[hook] - 1} s",
        "Slurm ends a hook after this time and drains the node: a slow disk would cost a good node",
        f"{key}={NEEDED[hook]} or more",
    )


def message_timeout(facts: Facts) -> list[Finding]:
    """The true limit of a prolog: two seconds before MessageTimeout users read that it hangs."""
    seconds = facts.seconds("MessageTimeout")
    if seconds is None:
        return []
    if seconds < MESSAGE_NEEDED:
        return [
            Finding(
                "message-timeout",
                "problem",
                f"MessageTimeout is {seconds} s: users may read “Prolog hung” after {max(2, seconds - HANG_NOTICE)} s",
                f"Our prolog may take {ours.PROLOG_S} s on a bad day, and what runs before it adds to that",
                f"MessageTimeout={MESSAGE_DEFAULT}",
            )
        ]
    if seconds > _LONG_MESSAGE:
        return [
            Finding(
                "message-timeout",
                "note",
                f"MessageTimeout is {seconds} s",
                f"Slurm takes {_KILL_FACTOR} times that for UnkillableStepTimeout, and waits so long for daemons that "
                "are gone. A value like this often stands for a prolog that is too slow",
                "Look at how long the programs of Prolog= take",
            )
        ]
    return [
        Finding(
            "message-timeout",
            "ok",
            f"MessageTimeout is {seconds} s, our prolog ends within {ours.PROLOG_S} s",
        )
    ]


def batch_start_timeout(facts: Facts) -> list[Finding]:
    """A batch job whose node runs a prolog for longer than this looks lost to slurmctld."""
    seconds = facts.seconds("BatchStartTimeout")
    if seconds is None or seconds >= _BATCH_DEFAULT:
        return []
    return [
        Finding(
            "batch-start-timeout",
            "note",
            f"BatchStartTimeout is {seconds} s",
            "When a node registers, slurmctld takes a batch job that has not begun by then for lost and requeues it; "
            "the prologs count",
            f"BatchStartTimeout={_BATCH_DEFAULT}",
        )
    ]


def unkillable_step_timeout(facts: Facts) -> list[Finding]:
    """How long a process that can't be killed (a hung driver makes them) holds its node before Slurm drains it."""
    seconds, message = facts.seconds("UnkillableStepTimeout"), facts.seconds("MessageTimeout")
    if seconds is None:
        return []
    if message is not None and seconds < _KILL_FACTOR * message:
        return [
            Finding(
                "unkillable-step-timeout",
                "note",
                f"UnkillableStepTimeout is {seconds} s, less than {_KILL_FACTOR} × MessageTimeout ({message} s)",
                "Slurm may drain a node for “Kill task failed” while messages about the job are still under way. Newer "
                "releases raise it by themselves",
                f"UnkillableStepTimeout={_KILL_FACTOR * message}",
            )
        ]
    if seconds <= _LONG_KILL:
        return []
    return [
        Finding(
            "unkillable-step-timeout",
            "note",
            f"UnkillableStepTimeout is {seconds} s",
            "A job on a hung driver can't be killed: Slurm keeps its node that long before it drains it",
            "A shorter one, of at least 5 × MessageTimeout; it follows a long MessageTimeout by itself",
        )
    ]
