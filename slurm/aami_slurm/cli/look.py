"""`aami-node check`: the checks of health, now. It asks the driver and reads the kernel log, and writes nothing."""

from aami_slurm import inventory, node, register
from aami_slurm.cli import memory, table, tool
from aami_slurm.finding import ERROR, FAIL, PASS
from aami_slurm.gather import may_have_gpus
from aami_slurm.looking import Look
from aami_slurm.probes import pci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Dict, List, Optional

    from aami_slurm.frame import Judged

SECONDS = 30.0


def check(options: "Namespace") -> "int":
    """Status 1 if a check fails, whatever its mode."""
    judged = look()
    if options.json:
        tool.say({"checks": [_told(one) for one in judged]})
    else:
        rows = [row for one in judged for row in _rows(one)]
        head = ("CHECK", "OUTCOME", "MODE", "GPU", "WHAT")
        table.show(head, _said_once(rows), "every check is switched off here")
    return 1 if any(one.outcome == FAIL for one in judged) else 0


def look() -> "List[Judged]":
    """Everything health would look at."""
    here = node.from_environment("health")
    stock = inventory.load(here.places, here.boot_id)
    ask = may_have_gpus(here, stock)
    one = Look(here, None, stock, with_gpus=ask)
    facts = one.facts
    facts.kernel = _kernel(here, stock)
    facts.pci = pci.read_all(here.places, [gpu["bus_id"] for gpu in (stock or {}).get("gpus", [])])
    facts.hang = register.hang_fact(here.places, here.clock)
    one.start(SECONDS)
    one.gathering.start_host(one.plan)
    one.wait(SECONDS)
    return one.judge()


def _kernel(here: "node.Node", stock: "Optional[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """The last hour's reports as the hooks journalled them; what they have not read yet is theirs to read first."""
    return list(memory.state(here).recent) if stock is not None else []


def _told(one: "Judged") -> "Dict[str, Any]":
    return {
        "check": one.check,
        "outcome": one.outcome,
        "mode": one.rule.mode,
        "seconds": round(one.seconds, 6),
        "findings": [finding.to_dict() for finding in one.findings],
    }


def _rows(one: "Judged") -> "List[List[Any]]":
    if not one.findings:
        return [[one.check, PASS, one.rule.mode, None, None]]
    return [[one.check, found.outcome, one.rule.mode, found.gpu, found.summary] for found in one.findings]


def _said_once(rows: "List[List[Any]]") -> "List[List[Any]]":
    """One dead probe blinds many checks: its words stand at the first of them."""
    said = set()
    for row in rows:
        if row[-1] in said:
            row[-1] = "the same"
        elif row[1] == ERROR:
            said.add(row[-1])
    return rows
