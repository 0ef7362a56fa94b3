"""How checks walk over GPUs: which of them this phase judges, and what a finding about one carries."""

from aami_slurm.checks._reading import BadLimit, Garbled, rows, say, unreadable, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

SLACK = 60000000  # microseconds: facts are stamped when the hook begins to look, its probes answer later


def known(facts: "Facts") -> "List[Dict[str, Any]]":
    """The GPUs of the inventory: none where there is no inventory yet."""
    told = facts.inventory.get("gpus") if isinstance(facts.inventory, dict) else None
    stock = told if isinstance(told, list) else []
    return [row for row in stock if isinstance(row, dict) and isinstance(row.get("uuid"), str)]


def of_this_boot(facts: "Facts") -> "List[Dict[str, Any]]":
    """Those of them that were here since the node booted: only these have a place among Slurm's GPUs."""
    return [row for row in known(facts) if row.get("slurm_index") is not None]


def live(facts: "Facts") -> "List[Any]":
    """The GPUs of the reading. One that can't be opened may be without its name: its place tells it."""
    found = rows(facts.gpus, "gpus")
    here = {row.get("uuid") for row in found if isinstance(row, dict) and isinstance(row.get("uuid"), str)}
    gone = [row for row in known(facts) if row.get("uuid") not in here]
    return [_called(row, gone) if isinstance(row, dict) else row for row in found]


def _called(row: "Dict[str, Any]", gone: "List[Dict[str, Any]]") -> "Dict[str, Any]":
    if row.get("uuid") is not None:
        return row
    place = "nvml_index" if row.get("bus_id") is None else "bus_id"
    for one in gone:
        if row.get(place) is not None and one.get(place) == row.get(place):
            return dict(row, uuid=one.get("uuid"))
    return row


def concerns(facts: "Facts", row: "Dict[str, Any]") -> "bool":
    """Whether this phase judges the GPU: each one of the node, or only those of the job. A MIG job holds its card."""
    if facts.job_gpus is None:
        return True
    layout = row.get("mig")
    parts = (
        [part.get("uuid") for part in layout if isinstance(part, dict)] if isinstance(layout, list) else []
    )
    return any(isinstance(uuid, str) and uuid in facts.job_gpus for uuid in [row.get("uuid"), *parts])


def index_of(facts: "Facts", row: "Dict[str, Any]") -> "Optional[int]":
    """The index that people know a GPU by: nvidia-smi's as the inventory has it, else Slurm's."""
    uuid = row.get("uuid")
    for one in [*(one for one in known(facts) if one.get("uuid") == uuid), row]:
        for key in ("nvml_index", "slurm_index"):
            if isinstance(one.get(key), int):
                return int(one[key])
    return None


def taken_out(facts: "Facts", gpu: "Dict[str, Any]") -> "bool":
    """Whether somebody took a GPU out: it was gone before, and the others of the node are all that Slurm counts on."""
    return gpu.get("present") is False and _enough(facts)


def _enough(facts: "Facts") -> "bool":
    """By the inventory, for a job's look sees the job's GPUs alone. Slurm counts MIG devices where cards are cut."""
    here = [row for row in known(facts) if row.get("present") is not False]
    cut = [row["mig"] for row in here if isinstance(row.get("mig"), list)]
    devices = len(here) - len(cut) + sum(map(len, cut))
    return facts.expected_gpus is not None and max(len(here), devices) >= facts.expected_gpus


def about(facts: "Facts", row: "Dict[str, Any]") -> "Dict[str, Any]":
    uuid = row.get("uuid")
    return {"gpu_uuid": uuid if isinstance(uuid, str) else None, "gpu": index_of(facts, row)}


def on_gpu(facts: "Facts", row: "Dict[str, Any]", outcome: "str", summary: "str", **told: "Any") -> "Finding":
    """A finding about one GPU that rests on the driver's reading: `code`, `raw` and maybe `action` with it."""
    return on_node(facts, outcome, summary, **dict(told, **about(facts, row)))


def on_node(facts: "Facts", outcome: "str", summary: "str", **told: "Any") -> "Finding":
    """The same about the node as a whole."""
    return say(facts, outcome, summary, source=source_of(facts), mono_us=read_at(facts), **told)


def source_of(facts: "Facts") -> "str":
    told = facts.gpus.get("source") if isinstance(facts.gpus, dict) else None
    return "nvidia-smi" if told == "nvidia-smi" else "nvml"


def read_at(facts: "Facts") -> "Optional[int]":
    """When the driver answered; None where the reading doesn't say, and then it proves nothing about now."""
    told = facts.gpus.get("mono_us") if isinstance(facts.gpus, dict) else None
    return told if isinstance(told, int) and 0 <= told <= facts.mono_us + SLACK else None


def each_gpu(facts: "Facts", judge: "Callable[[Dict[str, Any]], List[Finding]]") -> "List[Finding]":
    """What `judge` says of every GPU of the reading that this phase judges: never only of the first."""
    found: "List[Finding]" = []
    try:
        for row in live(facts):
            if not isinstance(row, dict):
                found.append(unreadable(facts, Garbled("a GPU's row is none"), source_of(facts)))
            elif concerns(facts, row):
                found.extend(_judged(facts, row, judge))
    except (Garbled, BadLimit) as error:
        found.append(unreadable(facts, error, source_of(facts)))
    return found


def _judged(
    facts: "Facts", row: "Dict[str, Any]", judge: "Callable[[Dict[str, Any]], List[Finding]]"
) -> "List[Finding]":
    try:
        word(row, "uuid")
        return judge(row)
    except Garbled as error:
        return [unreadable(facts, error, source_of(facts), **about(facts, row))]
