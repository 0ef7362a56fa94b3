"""`aami-node explain`: what each hook would do on this node, by which rule, and what it may lead to."""

import sys

from aami_slurm import checks, frame, node, policy
from aami_slurm.cli import table, tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Dict

PHASES = ("prolog", "epilog", "health")
SPEECH = {
    "off": "does not run",
    "shadow": "is recorded, with what would have been done",
}


def explain(options: "Namespace") -> "int":
    here = node.from_environment("command")
    now = here.clock.wall()
    phases = (options.phase,) if options.phase else PHASES
    found = []
    for phase in phases:
        for name in checks.of_phase(phase):
            rule = policy.resolve(here.settings.policy, here.name, name, checks.load(name).DEFAULTS, now)
            found.append(_told(phase, name, rule))
    problems = policy.problems(here.settings.policy)
    if options.json:
        tool.say(
            {"node": here.name, "generation": here.settings.generation, "checks": found, "problems": problems}
        )
        return 1 if problems else 0
    sys.stdout.write("node %s, generation %s\n" % (here.name, here.settings.generation))
    rows = [
        [one["phase"], one["check"], one["mode"], one["leads_to"], one["budget_s"], one["origin"]]
        for one in found
    ]
    table.show(("HOOK", "CHECK", "MODE", "A FAULT LEADS TO", "SECONDS", "BECAUSE"), rows, "nothing runs here")
    for problem in problems:
        table.show(("PROBLEM OF THE POLICY",), [[problem]], "")
    return 1 if problems else 0


def _told(phase: "str", name: "str", rule: "policy.Rule") -> "Dict[str, Any]":
    return {
        "phase": phase,
        "check": name,
        "mode": rule.mode,
        "effect": rule.effect,
        "leads_to": _leads_to(phase, rule),
        "budget_s": rule.budget_s,
        "limits": rule.limits,
        "snoozed_until": rule.snoozed_until,
        "origin": rule.origin,
    }


def _leads_to(phase: "str", rule: "policy.Rule") -> "str":
    """In words: what a `fail` of this check would cause here and now."""
    if rule.snoozed_until:
        return "nothing until %s (snoozed)" % rule.snoozed_until
    if rule.mode != frame.ENFORCE:
        return SPEECH[rule.mode]
    if rule.effect == "allow-and-record":
        return "is recorded"
    if rule.effect == "block-and-drain" and phase == "prolog":
        return "drain, and the job does not start"
    return "drain; running jobs end in peace"
