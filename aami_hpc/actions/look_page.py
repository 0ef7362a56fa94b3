"""A survey as a document: what a person reads when `look` is done."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey import claims, slurm
from aami_hpc.render.document import Fact, Facts, Heading, Paragraph, Steps, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_hpc.fleet.survey.claims import Claim
    from aami_hpc.fleet.survey.sighting import Sighting, Sightings
    from aami_hpc.fleet.survey.survey import NodeGroup, Survey
    from aami_hpc.fleet.survey.traces import Found
    from aami_hpc.render.document import Block, Cell, Document

_MIB_PER_GIB = 1024
_LINE = 40  # characters of a long value that fit beside its label and its source
_STATE_TONES = {"IDLE": "good", "ALLOCATED": "good", "MIXED": "good", "COMPLETING": "good"}


def page(survey: Survey, nodes: Sequence[Block] = ()) -> Document:
    """Every section of the survey, the nodes seen over SSH, the gaps last, and what to type next."""
    blocks: list[Block] = [*_slurm(survey)]
    blocks.append(Facts(_told(survey.machine), "This machine"))
    blocks.append(_ports(survey.ports))
    blocks.append(_software(survey.software))
    blocks += nodes
    gaps = _unknown(survey)
    if gaps.rows:
        blocks.append(gaps)
    blocks.append(_next(survey))
    return tuple(blocks)


def _slurm(survey: Survey) -> list[Block]:
    if not survey.has_slurm:
        why = survey.view.silent or survey.file.why
        return [Heading("No Slurm on this machine"), Paragraph(Text(f"{why}.", "warn"))]
    view = survey.view
    name = next((fact.value for fact in survey.cluster if fact.key == "name"), None)
    blocks: list[Block] = [Heading(f"Cluster {name}" if name else "A cluster whose name is not known")]
    if view.silent:
        blocks.append(Paragraph(Text(f"{view.silent}.", "bad")))
    facts = (*_told(survey.cluster), *_controllers(survey), *_told(survey.slurm))
    blocks.append(Facts(facts, "Slurm"))
    if view.nodes is not None:
        blocks.append(_nodes(survey.nodes))
    if view.partitions is not None:
        rows = tuple(
            (one.name + ("*" if one.default else ""), one.nodes, one.state, slurm.PARTITIONS)
            for one in view.partitions
        )
        blocks.append(Table(("partition", "nodes", "state", "from"), rows, "Partitions", "no partitions"))
    blocks.append(_hooks(survey.hooks))
    return blocks


def _controllers(survey: Survey) -> tuple[Fact, ...]:
    return tuple(
        Fact("Controller", _controller(one.host, one.role, up=one.up), slurm.PING)
        for one in survey.view.controllers or ()
    )


def _controller(host: str, role: str, *, up: bool) -> Text:
    return Text(f"{host} ({role}) is {'up' if up else 'down'}", "good" if up else "bad")


def _told(sightings: Sightings) -> tuple[Fact, ...]:
    return tuple(Fact(seen.label, _value(seen), seen.source) for seen in sightings if seen.label)


def _value(seen: Sighting) -> Cell:
    if seen.unknown:
        return Text(f"unknown: {seen.unknown}", "warn")
    if seen.value is None:
        return Text("not set", "dim")
    return f"{seen.value} ({seen.note})" if seen.note else str(seen.value)


def _nodes(groups: tuple[NodeGroup, ...]) -> Table:
    rows = tuple(
        (group.nodes, str(group.count), _state(group), _kind(group), slurm.NODES) for group in groups
    )
    return Table(
        ("nodes", "count", "state", "each has", "from"), rows, "Nodes", "Slurm names no node to this user"
    )


def _state(group: NodeGroup) -> Text:
    return Text(group.state, "good" if group.state in _STATE_TONES else "warn")


def _kind(group: NodeGroup) -> str:
    parts = []
    if group.gpus:
        parts.append(f"{group.gpus} × {group.gpu_model or 'GPU'}")
    if group.cpus:
        parts.append(f"{group.cpus} CPUs")
    if group.memory_mb:
        parts.append(f"{round(group.memory_mb / _MIB_PER_GIB) or 1} GiB")
    return ", ".join(parts)


def _hooks(hooks: Sightings) -> Facts | Paragraph:
    """What is set, a line each; what is not set together."""
    if not hooks:
        return Paragraph(Text("Programs Slurm calls: unknown, see below.", "warn"))
    facts = [Fact(seen.label, _value(seen), seen.source) for seen in hooks if seen.value is not None]
    unset = ", ".join(seen.label for seen in hooks if seen.value is None and not seen.note)
    for number, line in enumerate(textwrap.wrap(unset, _LINE)):
        facts.append(Fact("" if number else "Not set", Text(line, "dim"), hooks[0].source))
    return Facts(tuple(facts), "Programs Slurm calls, and their times")


def _ports(ports: tuple[Claim, ...]) -> Table:
    rows = tuple((str(claim.port), claim.ours, claim.where, _holder(claim), claim.source) for claim in ports)
    return Table(
        ("port", "for", "on", "now", "from"), rows, "Ports we would use, as they are on this machine"
    )


def _holder(claim: Claim) -> Text:
    if claim.state == claims.FREE:
        return Text("free", "good")
    if claim.state == claims.UNKNOWN:
        return Text(f"unknown: {claim.holder}", "warn")
    return Text(f"{claim.holder}, on {claim.address}", "plain" if claim.same else "warn")


def _software(found: tuple[Found, ...]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        name: Cell = Text(one.software.name, "strong")
        for trace in one.traces:
            rows.append((name, trace.what, trace.source))
            name = ""
    return Table(
        ("what", "seen", "from"), tuple(rows), "Monitoring and management already here", "none that we know"
    )


def _unknown(survey: Survey) -> Table:
    """The gaps, those with one reason together. Slurm's are left out where the heading has said it all."""
    of_slurm = {gap.source for gap in (*survey.view.unknown, *survey.slurm)}
    alike: dict[str, list[Sighting]] = {}
    for gap in survey.unknown:
        if survey.has_slurm or gap.source not in of_slurm:
            alike.setdefault(gap.unknown, []).append(gap)
    rows = tuple(
        (", ".join(gap.label for gap in gaps), why, ", ".join(gap.source for gap in gaps))
        for why, gaps in alike.items()
    )
    return Table(("what", "why", "from"), rows, "Could not be seen")


def _next(survey: Survey) -> Steps:
    steps = [("aami-hpc init", "write a configuration from this")]
    if survey.view.nodes:
        steps.append(("aami-hpc nodes test", "see whether SSH reaches the nodes"))
    return Steps((*steps, ("aami-hpc status", "the cluster on one screen")))
