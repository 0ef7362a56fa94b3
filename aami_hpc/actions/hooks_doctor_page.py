"""What `hooks doctor` found, for people: problems first, what is well in one line, then the lines to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.render.document import Heading, Paragraph, Passage, Row, Table, Text, Verbatim
from aami_hpc.render.document import Steps as NextSteps

if TYPE_CHECKING:
    from aami_hpc.actions.hooks_doctor_steps import Steps
    from aami_hpc.hooks.doctor.finding import Finding, Level
    from aami_hpc.hooks.doctor.proof import Proof
    from aami_hpc.hooks.doctor.proposal import Change, Proposal
    from aami_hpc.hooks.doctor.report import Report
    from aami_hpc.render.document import Block, Document, Tone

_ORDER: tuple[Level, ...] = ("problem", "unknown", "note")
_TONES: dict[Level, Tone] = {"problem": "bad", "unknown": "warn", "note": "plain", "ok": "good"}


def page(report: Report, todo: Steps) -> Document:
    """The whole page."""
    blocks: list[Block] = [Heading("Slurm and the hooks"), Paragraph(_summary(report))]
    for level in _ORDER:
        blocks += [_told(finding) for finding in report.findings if finding.level == level]
    well = tuple(Row(Text("ok", "good"), one.what) for one in report.findings if one.level == "ok")
    if well:
        blocks.append(Passage(well))
    if report.proposal is not None:
        blocks += _proposal(report, report.proposal)
    if todo:
        blocks.append(NextSteps(todo))
    return (*blocks, *(Paragraph(Text(remark, "warn")) for remark in report.remarks))


def _summary(report: Report) -> Text:
    words = f"{report.problems or 'No'} problem" + ("" if report.problems < 2 else "s")  # noqa: PLR2004
    if report.unknown:
        words += f", {report.unknown} thing{'s' if report.unknown > 1 else ''} could not be told"
    return Text(words, "bad" if report.problems else "warn" if report.unknown else "good")


def _told(finding: Finding) -> Passage:
    rows = [Row(Text(finding.level, _TONES[finding.level]), Text(finding.what, "strong"))]
    rows += [Row("why", finding.why)] if finding.why else []
    rows += [Row("do", finding.do)] if finding.do else []
    return Passage((*rows, Row("see", Text(finding.reference, "dim"))))


def _proposal(report: Report, proposal: Proposal) -> list[Block]:
    conf = report.facts.value("SLURM_CONF") or "slurm.conf"
    if not proposal.changes:
        return [Paragraph(Text(f"{conf} needs no change for the hooks.", "good"))]
    blocks: list[Block] = [Heading(f"Proposal for {conf}")]
    if not proposal.safe:
        words = f"To change: {', '.join(proposal.keys)}. No line yet: not every node is known to be ready for them."
        rows = tuple(Row("-", why) for why in proposal.unseen)
        return [*blocks, Paragraph(Text(words, "warn")), Passage(rows, "Not ready")]
    if report.lines:
        table = tuple((one.key, _now(one), ", ".join(one.then), one.why) for one in proposal.changes)
        blocks += [Table(("key", "now", "then", "because"), table), Verbatim("\n".join(report.lines))]
    return [*blocks, *_proof(report.proof)]


def _now(change: Change) -> str:
    return ", ".join(change.now) or "not set"


def _proof(proof: Proof | None) -> list[Block]:
    if proof is None:
        return []
    if proof.proven:
        return [Paragraph(Text(f"Tried: this Slurm reads a copy of {proof.file} with these lines.", "good"))]
    blocks: list[Block] = [Paragraph(Text(f"Could not prove that Slurm takes them: {proof.why}.", "warn"))]
    return [*blocks, Verbatim("\n".join(proof.said))] if proof.said else blocks
