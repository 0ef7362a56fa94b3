"""gpu-identity: the cards are the ones that the inventory of this boot knows, in their places, and all of one kind."""

from aami_slurm.checks._gpus import each_gpu, of_this_boot, on_gpu, on_node, source_of
from aami_slurm.checks._reading import Garbled, rows, word
from aami_slurm.finding import FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "gpu-identity"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "drain-after-job", "limits": {}}

CODE = "identity"
SAME = (("bus_id", FAIL), ("serial", FAIL), ("model", FAIL), ("vbios", WARN))  # what one card keeps
ALIKE = ("model", "vbios")  # what the cards of one node share


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        uuid, bus_id = word(row, "uuid"), word(row, "bus_id")
        stock = of_this_boot(facts)
        before = _with(stock, "uuid", uuid)
        if before is None:
            other = _with(stock, "bus_id", bus_id)
            if uuid is None or other is None:
                return []  # a card nobody knew: gpu-count's matter
            words = "another card answers at %s than at the last inventory" % plain(str(bus_id), 16)
            raw = "uuid was %s, is %s" % (other.get("uuid"), uuid)
            return [on_gpu(facts, row, FAIL, words, code=CODE, raw=raw, action="investigate")]
        return [
            _changed(facts, row, key, before, outcome)
            for key, outcome in SAME
            if _differs(facts, row, key, before)
        ]

    return each_gpu(facts, judge) + _mixed(facts)


def _with(stock: "List[Dict[str, Any]]", key: "str", value: "Optional[str]") -> "Optional[Dict[str, Any]]":
    return next((row for row in stock if value is not None and row.get(key) == value), None)


def _differs(facts: "Facts", row: "Dict[str, Any]", key: "str", before: "Dict[str, Any]") -> "bool":
    """Two tools may spell a card's values differently: then only its place is compared."""
    stock: "Dict[str, Any]" = facts.inventory or {}
    if key != "bus_id" and stock.get("source", source_of(facts)) != source_of(facts):
        return False
    return None not in {word(row, key), word(before, key)} and row[key] != before[key]


def _changed(
    facts: "Facts", row: "Dict[str, Any]", key: "str", before: "Dict[str, Any]", outcome: "str"
) -> "Finding":
    words = "its %s is no longer that of the inventory" % key.replace("_", " ")
    raw = "%s was %s, is %s" % (key, before[key], row[key])
    return on_gpu(facts, row, outcome, words, code=CODE, raw=raw, action="investigate")


def _mixed(facts: "Facts") -> "List[Finding]":
    """Cards of several kinds in one node: told once, when the whole node is looked at."""
    if facts.job_gpus is not None:
        return []
    try:
        cards = [row for row in rows(facts.gpus, "gpus") if isinstance(row, dict)]
    except Garbled:
        return []  # each_gpu told
    found = []
    for key in ALIKE:
        kinds = sorted({str(row[key]) for row in cards if row.get(key)})
        if len(kinds) > 1:
            words = "%d kinds of %s in one node: %s" % (len(kinds), key, plain(", ".join(kinds), 120))
            found.append(on_node(facts, WARN, words, raw=kinds, code="mixed-" + key))
    return found
