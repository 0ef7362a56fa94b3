"""Brings the facts a plan needs: what may hang as probes side by side, what can't in this process."""

import os

from aami_slurm.probe import ANSWERED, LATE, REFUSED, STUCK, Probes
from aami_slurm.probes import pci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from aami_slurm.facts import Facts
    from aami_slurm.frame import Plan
    from aami_slurm.node import Node
    from aami_slurm.policy import Rule
    from aami_slurm.probe import Answer

GPUS = "gpus"
MOUNT = "mount:"
SITE = "site:"
BUSY_S = 1.0
MOUNTS = ("mount-hang", "mount-missing")
# fact: (the probe's module, the checks whose budget and limits it runs under)
PROBED = {
    "disks": ("disks", ("disk-free", "fs-readonly")),
    "services": ("services", ("services",)),
    "clock_sync": ("clock_sync", ("clock-skew",)),
    "infiniband": ("infiniband", ("ib-port-down",)),
}


class Gathering:
    """Probes under way for one hook run; `into` waits for them and fills the facts."""

    def __init__(self, node: "Node") -> "None":
        self._node = node
        self.probes = Probes(node.places, node.clock)
        self.answers: "Dict[str, Answer]" = {}

    def start_gpus(self, budget: "float", held: "Optional[List[Dict[str, Any]]]" = None) -> "None":
        """Ask the driver about these GPUs, or about all."""
        ask = dict(
            library(self._node),
            proc=self._node.places.proc,
            uuids=[gpu["uuid"] for gpu in held] if held else None,
            bus_ids=[gpu["bus_id"] for gpu in held] if held else None,
        )
        self.probes.start(GPUS, reader("gpus"), ask, budget)

    def start_host(self, plan: "Plan") -> "None":
        """What is not about GPUs: each mount a probe of its own, so that a dead one hangs alone."""
        needs, root = plan.needs(), self._node.places.root
        for need, (module, names) in PROBED.items():
            rules = [plan.rules[name] for name in names if name in plan.rules]
            if need in needs and rules:
                ask = {"root": root, "paths": _listed(rules, "paths"), "units": _listed(rules, "units")}
                self.probes.start(need, reader(module), ask, max(rule.budget_s for rule in rules))
        if "mounts" in needs:
            budget = max(plan.rules[name].budget_s for name in MOUNTS if name in plan.rules)
            for path in mounts_of(self._node):
                self.probes.start(MOUNT + path, reader("mounts"), {"path": root + path}, budget)

    def start_site(self, facts: "Facts") -> "None":
        """The site's own checks; what stands in their folder and may not run is a finding of its own."""
        if not os.path.isdir(self._node.places.site_checks):
            return
        from aami_slurm import site_checks

        accepted, refused = site_checks.find(self._node.places)
        for path, why in refused:
            finding = site_checks.refusal(path, why)
            facts.site.append({"name": finding.check, "finding": finding, "seconds": 0.0})
        for name, path in accepted:
            ask = {
                "path": path,
                "root": self._node.places.root,
                "node": self._node.name,
                "phase": self._node.phase,
                "job_id": facts.job.job_id if facts.job else None,
                "uid": facts.job.uid if facts.job else None,
                "gpu_uuids": sorted(facts.job_gpus or ()),
            }
            self.probes.start(SITE + name, site_checks.run, ask, site_rule(self._node, name).budget_s)

    def wait(self, seconds: "float") -> "None":
        self.answers.update(self.probes.gather(self._node.clock.mono() + seconds))

    def into(self, facts: "Facts") -> "None":
        """What was answered; for the rest, why not."""
        for name, answer in self.answers.items():
            if name.startswith(MOUNT):
                continue
            if name.startswith(SITE):
                facts.site.append(_site(name[len(SITE) :], answer))
            elif answer.kind == ANSWERED:
                setattr(facts, name, answer.value)
            else:
                facts.trouble[name] = answer.words
        self._mounts(facts)

    def _mounts(self, facts: "Facts") -> "None":
        asked = {
            name[len(MOUNT) :]: answer for name, answer in self.answers.items() if name.startswith(MOUNT)
        }
        if not asked:
            return
        from aami_slurm.probes import mounts

        try:
            table = mounts.table(self._node.places)
        except OSError as error:
            facts.trouble["mounts"] = "the table of mounts: %s" % error.strerror
            return
        for path, answer in asked.items():
            row = table.get(path)
            facts.mounts[path] = {
                "mounted": row is not None,
                "type": row and row["type"],
                "options": row["options"] if row else [],
                "stat": _stat_words(answer),
            }


def _stat_words(answer: "Answer") -> "str":
    """A refused probe is one that is still stuck."""
    if answer.kind == ANSWERED:
        return str(answer.value["stat"])
    known = {LATE: "late", STUCK: "stuck", REFUSED: "stuck"}
    return known.get(answer.kind, "error: " + answer.words)


def _site(name: "str", answer: "Answer") -> "Dict[str, Any]":
    from aami_slurm import site_checks

    return {"name": name, "finding": site_checks.finding(name, answer), "seconds": answer.seconds}


def _listed(rules: "List[Rule]", key: "str") -> "List[str]":
    """What any of the checks wants looked at."""
    found: "List[str]" = []
    for rule in rules:
        told = rule.limits.get(key)
        found += (
            [one for one in told if isinstance(one, str) and one not in found]
            if isinstance(told, list)
            else []
        )
    return found


def busy(node: "Node") -> "Optional[str]":
    """What holds the driver on purpose, if anything does. Asked in a child: what the kernel tells of a process that
    waits for the driver may wait with it.
    """
    answer = Probes(node.places, node.clock).run("busy", _busy, node.places.root, BUSY_S)
    return str(answer.value) if answer.kind == ANSWERED and answer.value else None


def _busy(root: "str") -> "Optional[str]":
    from aami_slurm import maintenance
    from aami_slurm.places import Places

    return maintenance.busy(Places(root))


def library(node: "Node") -> "Dict[str, str]":
    """Where the driver's library and program are."""
    return {"nvml": node.settings.nvml, "nvidia_smi": node.settings.nvidia_smi}


def site_rule(node: "Node", name: "str") -> "Rule":
    from aami_slurm import policy, site_checks

    return policy.resolve(node.settings.policy, node.name, name, site_checks.DEFAULTS, node.clock.wall())


def reader(name: "str") -> "Callable[[Dict[str, Any]], Any]":
    """Loads the probe's code in the child: what it imports costs the hook nothing."""

    def work(ask: "Dict[str, Any]") -> "Any":
        module = __import__("aami_slurm.probes." + name, fromlist=["read"])
        return module.read(ask)

    return work


def mounts_of(node: "Node") -> "List[str]":
    """The mounts that the settings ask for on this node."""
    rows = _rows_for(node, node.settings.mounts)
    return sorted({row["path"] for row in rows if isinstance(row.get("path"), str)})


def expected_gpus(node: "Node") -> "Optional[int]":
    """How many GPUs Slurm is configured to have here, None where nobody said."""
    told = [row["gpus"] for row in _rows_for(node, node.settings.gres) if isinstance(row.get("gpus"), int)]
    return told[-1] if told else None


def may_have_gpus(node: "Node", stock: "Optional[Dict[str, Any]]") -> "bool":
    """Whether there is a GPU to ask about: known here, configured in Slurm, or on the bus. Login nodes have none."""
    expected = expected_gpus(node)
    return stock is not None or (pci.has_gpus(node.places) if expected is None else expected > 0)


def _rows_for(node: "Node", rows: "List[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """The rows about this node. The head refuses to render a broken one; a hook leaves it out."""
    return [row for row in rows if isinstance(row, dict) and _is_in(node.name, row.get("nodes"))]


def _is_in(name: "str", nodes: "Any") -> "bool":
    from aami_slurm.nodes import BadRange, matches

    try:
        return nodes is None or matches(str(nodes), name)
    except BadRange:
        return False
