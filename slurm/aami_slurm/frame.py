"""Runs checks over facts: their rules, their time, their errors. A check itself only looks and says."""

from aami_slurm import checks, policy
from aami_slurm.finding import CONFIG, ERROR, FAIL, PASS, WARN, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

    from aami_slurm.facts import Facts
    from aami_slurm.node import Node
    from aami_slurm.policy import Rule

OFF, ENFORCE = "off", "enforce"
_WORST = (PASS, WARN, CONFIG, ERROR, FAIL)


class Judged:
    """One check's run: its rule, what it found, how long it took. No findings means pass."""

    __slots__ = ("check", "findings", "rule", "seconds")

    def __init__(self, check: "str", rule: "Rule", findings: "List[Finding]", seconds: "float") -> "None":
        self.check = check
        self.rule = rule
        self.findings = findings
        self.seconds = seconds

    @property
    def outcome(self) -> "str":
        """The worst of its findings."""
        found = [finding.outcome for finding in self.findings]
        return max(found, key=_WORST.index) if found else PASS


class Plan:
    """The checks of one phase on one node with their rules: those that the policy switched off are not in it."""

    def __init__(self, node: "Node", names: "Iterable[str]") -> "None":
        self._clock = node.clock
        self.modules: "Dict[str, Any]" = {}
        self.rules: "Dict[str, Rule]" = {}
        now = node.clock.wall()
        for name in names:
            module = checks.load(name)
            rule = policy.resolve(node.settings.policy, node.name, name, module.DEFAULTS, now)
            if rule.mode != OFF:
                self.modules[name] = module
                self.rules[name] = rule

    def needs(self) -> "List[str]":
        """The facts that these checks look at."""
        return sorted({need for module in self.modules.values() for need in module.NEEDS})

    def run(self, facts: "Facts") -> "List[Judged]":
        """Every check once, in the table's order."""
        done = []
        for name, module in self.modules.items():
            rule = self.rules[name]
            began = self._clock.mono()
            findings = _findings(module, facts, rule)
            for finding in findings:
                finding.check = name
            done.append(Judged(name, rule, findings, self._clock.mono() - began))
        return done


def names(phase: "str", *, with_gpus: "bool") -> "List[str]":
    """The checks of a phase; those that need a reading of the driver only where there is going to be one."""
    return [name for name in checks.of_phase(phase) if with_gpus or "gpus" not in checks.load(name).NEEDS]


def of_known(node: "Node", findings: "Iterable[Finding]") -> "List[Judged]":
    """What an earlier look found, under the rules of now."""
    by_check: "Dict[str, List[Finding]]" = {}
    for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    rules = Plan(node, [name for name in by_check if name in checks.TABLE]).rules
    return [Judged(name, rules[name], found, 0.0) for name, found in by_check.items() if name in rules]


def _findings(module: "Any", facts: "Facts", rule: "Rule") -> "List[Finding]":
    missing = [need for need in module.NEEDS if need in facts.trouble]
    if missing:
        return [_unknown(facts, "; ".join("%s: %s" % (need, facts.trouble[need]) for need in missing))]
    try:
        return list(module.check(facts, rule.limits))
    except Exception as error:  # noqa: BLE001 - a check that fails is a tool that could not tell, never a fault
        return [_unknown(facts, "the check failed: %s: %s" % (type(error).__name__, error))]


def _unknown(facts: "Facts", words: "str") -> "Finding":
    return Finding(ERROR, words, code="unknown", evidence={"source": "hook", "mono_us": facts.mono_us})


def site(node: "Node", told: "List[Dict[str, Any]]") -> "List[Judged]":
    """The site's own checks, which ran as probes: `told` has name, finding and seconds of each."""
    from aami_slurm.gather import site_rule

    done = []
    for one in told:
        rule = site_rule(node, one["name"])
        found = [] if one["finding"].outcome == PASS else [one["finding"]]
        if rule.mode != OFF:
            done.append(Judged(one["name"], rule, found, one["seconds"]))
    return done
