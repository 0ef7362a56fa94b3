"""From findings to what happens: decide, drain if the policy says so, and write down what was seen to happen."""

from aami_slurm import known, verdict
from aami_slurm.book import Busy, Unwritable
from aami_slurm.ending import finish
from aami_slurm.finding import ERROR, PASS, subject
from aami_slurm.frame import ENFORCE
from aami_slurm.hook import HARD
from aami_slurm.told import Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, List, Optional

    from aami_slurm.book import Book
    from aami_slurm.finding import Finding
    from aami_slurm.frame import Judged
    from aami_slurm.node import Node
    from aami_slurm.state import State
    from aami_slurm.verdict import Decision

HEALTH = "health"
DRAINS = ("drain-after-job", "block-and-drain")
OUT_BY_US = ("drained", "already-ours")
SETTLED = ("drained", "already-ours", "already-out")  # the evidence has had its consequence
UNKNOWN = "unknown"
KEPT_US = 60000000
BUDGET = 3.0
RESERVE = 0.5  # of the hook's hard limit: a drain that the hook does not live to see is not written down


class Conclusion:
    """The decision, what became of the drain (None if none was due), and whether this job must not start here.
    `trouble` says why the outcome could not be written down, if so: that changes nothing about it.
    """

    __slots__ = ("decision", "drain", "trouble")

    def __init__(
        self, decision: "Decision", drain: "Optional[Dict[str, Any]]", trouble: "str" = ""
    ) -> "None":
        self.decision = decision
        self.drain = drain
        self.trouble = trouble

    @property
    def blocks(self) -> "bool":
        """Only behind a drain of ours that was read back and survived the surplus rule."""
        return (
            self.decision.verdict == "block-and-drain"
            and self.drain is not None
            and self.drain["outcome"] in OUT_BY_US
        )

    @property
    def words(self) -> "str":
        told = "%s: this job may not start on this node" % self.decision.words
        return "%s (not journalled: %s)" % (told, self.trouble) if self.trouble else told


def decide(
    node: "Node", state: "State", judged: "List[Judged]", job_gpus: "Optional[FrozenSet[str]]"
) -> "Decision":
    """The decision over these findings, by what the journal says had its consequence."""
    return verdict.decide(
        node.phase,
        [finding for one in judged for finding in one.findings],
        {one.check: one.rule for one in judged},
        job_gpus=job_gpus,
        covered_seq=state.covered_seq,
        covered=state.covered,
        now_mono_us=int(node.clock.mono() * 1000000),
    )


def conclude(
    node: "Node",
    book: "Book",
    judged: "List[Judged]",
    job_gpus: "Optional[FrozenSet[str]]",
    *,
    stock: "Optional[Dict[str, Any]]",
    reading: "Optional[Dict[str, Any]]" = None,
) -> "Conclusion":
    """Decide over these findings, act, record, and end the hook. At most one drain. `reading` is what the driver said."""
    with book.open(node.patience):
        _hear(book.state, reading)
        told = Told(node.places)
        decision = decide(node, book.state, judged, job_gpus)
        _note(book, told, judged, node.phase)
        seq = _note_decision(book, told, decision, node.phase)
        if decision.mode != ENFORCE or decision.verdict not in DRAINS:
            finish(node, book, stock, told)
            return Conclusion(decision, None)
        settled = told.drain_begins(decision) in OUT_BY_US
        book.commit()
        told.save()
    result = _drain(node, decision, seq, settled=settled)
    known.ask_again(node.places, again=result["outcome"] == UNKNOWN)
    try:
        with book.open(node.patience):
            told = Told(node.places)
            _note_drain(book, told, decision, result, node.phase)
            finish(node, book, stock, told)
    except (Busy, Unwritable) as error:
        return Conclusion(decision, result, str(error))
    return Conclusion(decision, result)


def _hear(state: "State", reading: "Optional[Dict[str, Any]]") -> "None":
    """Of which GPUs there is a reading now, for the prologs of the next minute."""
    if reading is not None:
        now = int(reading["mono_us"])
        state.heard = {uuid: us for uuid, us in state.heard.items() if us > now - KEPT_US}
        state.heard.update((gpu["uuid"], now) for gpu in reading["gpus"] if gpu["uuid"])


def _note(book: "Book", told: "Told", judged: "List[Judged]", phase: "str") -> "None":
    """What the checks say, for the metrics each time, for the journal when it differs from what was said last."""
    whole = phase == HEALTH
    # A pass on one job's GPUs takes back nothing that the whole node's check said.
    book.note_checks([(one.check, one.outcome, one.seconds) for one in judged if whole or one.findings])
    said = set()
    for one in judged:
        for finding in told.news(one.check, one.findings, whole=whole):
            if finding.outcome != ERROR or finding.summary not in said:  # one dead probe blinds many checks
                book.event("check", phase=phase, mode=one.rule.mode, **finding.to_dict())
            said.add(finding.summary)
        if whole and told.is_over(one.check, one.findings):
            book.event(
                "check", phase=phase, mode=one.rule.mode, check=one.check, outcome=PASS, summary="well again"
            )


def _note_decision(book: "Book", told: "Told", decision: "Decision", phase: "str") -> "int":
    """The journal's number of this decision: a new one unless the same stands there already."""
    if decision.verdict not in DRAINS and decision.would not in DRAINS:
        if phase == HEALTH:
            told.undecided()  # the node is well: the same fault later is another one
        return book.state.seq
    before = told.decision(decision)
    if before is not None:
        return before
    event = book.event("decision", phase=phase, **dict(decision.to_dict(), **_covers(decision.held)))
    told.decided(decision, event["seq"])
    return int(event["seq"])


def _covers(findings: "List[Finding]") -> "Dict[str, Any]":
    """That the journalled evidence of these findings has had its consequence; live readings need no such mark."""
    covers: "Dict[str, int]" = {}
    for finding in findings:
        seq = finding.evidence.get("seq")
        if isinstance(seq, int):
            name = subject(finding.gpu_uuid, finding.code)
            covers[name] = max(covers.get(name, 0), seq)
    return {"covers": covers} if covers else {}


def _drain(node: "Node", decision: "Decision", seq: "int", *, settled: "bool") -> "Dict[str, Any]":
    from aami_slurm import policy, reason
    from aami_slurm.probe import ANSWERED, Probes

    text = reason.make("a", decision.code, decision.gpu, decision.words, node.name, node.boot_id, seq)
    settings = node.settings
    budget = min(BUDGET, node.left(HARD[node.phase] - RESERVE))
    ask = {
        "node": node.name,
        "reason": text,
        "rails": policy.rails_of(settings.policy),
        "sinfo": settings.sinfo,
        "scontrol": settings.scontrol,
        "conf": settings.slurm_conf,
        "budget_s": budget,
        "now": node.clock.wall(),
        "lock": node.places.run + "/drain.lock",
        "settled": settled,  # this very drain has survived the surplus rule before
    }
    answer = Probes(node.places, node.clock).run("slurm", _work, ask, budget + 0.2)
    if answer.kind == ANSWERED:
        return dict(answer.value)
    return {"outcome": UNKNOWN, "words": answer.words, "reason": text, "written": None}


def _work(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    from aami_slurm import drain

    return drain.drain(ask)


def _note_drain(
    book: "Book", told: "Told", decision: "Decision", result: "Dict[str, Any]", phase: "str"
) -> "None":
    if result["written"] is not True and told.same_drain(decision, result):
        return  # what was written in Slurm is told each time
    kind = "rail-unknown" if result["outcome"] == UNKNOWN else "drain"
    covers = _covers(decision.fails) if result["outcome"] in SETTLED else {}
    book.event(kind, phase=phase, code=decision.code, gpu=decision.gpu, **dict(result, **covers))
    told.drained(decision, result)
