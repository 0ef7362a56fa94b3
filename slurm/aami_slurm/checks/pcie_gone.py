"""pcie-gone: a GPU that is off the PCI bus, as its config space in sysfs tells. No driver is asked."""

from aami_slurm.checks._gpus import about, concerns, known, of_this_boot, taken_out
from aami_slurm.checks._reading import each, flag, named, say, word
from aami_slurm.finding import ERROR, FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "pcie-gone"
NEEDS = ("pci",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 1.0, "effect": "block-and-drain", "limits": {}}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(bus_id: "str", row: "Dict[str, Any]") -> "List[Finding]":
        gpu = _gpu_at(facts, bus_id)
        present, error, config = flag(row, "present"), word(row, "error"), word(row, "config")
        if (gpu and not concerns(facts, gpu)) or (present is False and not gpu):
            return []  # another job's, or a place where nothing known has ever been
        told = {"source": "sysfs", **about(facts, gpu)}
        if present is False:
            outcome = WARN if taken_out(facts, gpu) else FAIL
            return [_gone(facts, outcome, "no device there", "%s is not in sysfs" % bus_id, told)]
        if error is not None or not config:
            words = "its PCI config can't be read: %s" % plain(error or "nothing in it", 80)
            return [say(facts, ERROR, words, raw=words, code="pci-unread", **told)]
        if set(config.lower()) == {"f"}:
            # All ones is what a bus answers for a device that doesn't.
            words = "its config space reads as all ones"
            return [_gone(facts, FAIL if gpu else WARN, words, config[:64], told)]
        return []

    return each(facts, "sysfs", lambda: named(facts.pci, "pci"), judge)


def _gone(facts: "Facts", outcome: "str", why: "str", raw: "str", told: "Dict[str, Any]") -> "Finding":
    words = "off the PCI bus: " + why
    return say(facts, outcome, words, raw=raw, code="pci-gone", action="reboot-node", **told)


def _gpu_at(facts: "Facts", bus_id: "str") -> "Dict[str, Any]":
    """The one that is there since the node booted, before one that was there in an older boot."""
    return next((row for row in of_this_boot(facts) + known(facts) if row.get("bus_id") == bus_id), {})
