"""`hooks doctor`: what in this site's Slurm would hurt the hooks, or be hurt by them, and the lines to write instead.

`--json`: {"slurm": {"version", "client", "conf"}, "findings": [{"name", "level", "what", "why", "do", "reference"}],
"nodes": {"asked", "unasked": [{"nodes", "why"}]}, "proposal": {"safe", "unseen", "changes": [{"key", "now", "then",
"why"}], "lines", "steps": [{"do", "why"}]} or null, "proof": {"proven", "refused", "why", "said", "file"} or null}.
`level` is `ok`, `note`, `problem` or `unknown`; `lines` and every `then` are empty unless every node is ready for them and Slurm
did not refuse them. The answer is no when there is a problem.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.hooks_doctor_facts import Asking, gather
from aami_hpc.actions.hooks_doctor_page import page
from aami_hpc.actions.hooks_doctor_steps import steps
from aami_hpc.actions.result import Result
from aami_hpc.errors import SlurmError, SlurmUnreachable
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.survey.slurm_files import slurm_file
from aami_hpc.hooks.doctor import proof
from aami_hpc.hooks.doctor.facts import Facts
from aami_hpc.hooks.doctor.parser import Parser
from aami_hpc.hooks.doctor.pitfalls import examine
from aami_hpc.hooks.doctor.proposal import propose
from aami_hpc.hooks.doctor.report import Report
from aami_hpc.slurm.programs import find
from aami_hpc.slurm.text import TextClient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.actions.hooks_doctor_steps import Steps


def run(asking: Asking, *, folder: str = "") -> Result:
    """Look, explain, propose, and try the proposal on a copy. `folder` is where the copy may live."""
    settings, world = asking.settings, asking.world
    programs = find(settings.slurm, world.environ)
    parser = Parser(programs, world.runner, folder)
    client = TextClient(programs, world.runner, settings.slurm.timeout)
    try:
        config = client.config()
    except SlurmError as error:
        return _result(_unreadable(asking, parser, error))
    facts, remarks = gather(asking, client, config)
    conf = proof.read_conf(world.tree, _conf(asking, facts.value("SLURM_CONF")), facts.value("ClusterName"))
    findings = (*proof.examine(facts, conf, parser), *examine(facts))
    proposal = propose(facts, parser.knows)
    tried = None
    if proposal.changes:
        tried = proof.prove(facts, conf, parser, proposal.keys, proposal.lines)
    return _result(Report(facts, findings, proposal, tried, remarks))


def _conf(asking: Asking, answered: str = "") -> str:
    """The path of slurm.conf on this machine, or nothing. The controller's own is elsewhere on some machines."""
    configured = str(asking.settings.slurm.conf or "")
    named = slurm_file(asking.world, configured, answered)
    if named.why and answered:
        usual = slurm_file(asking.world, configured)
        return named.path if usual.why else usual.path
    return named.path


def _unreadable(asking: Asking, parser: Parser, error: SlurmError) -> Report:
    """Slurm's commands do not answer. When that is because nobody can read slurm.conf, that is the finding."""
    conf = proof.read_conf(asking.world.tree, _conf(asking))
    findings = () if conf.why or isinstance(error, SlurmUnreachable) else proof.refused(conf, parser)
    if not findings:
        raise error
    return Report(Facts({"SLURM_CONF": conf.path}), tuple(findings))


def _result(report: Report) -> Result:
    todo = steps(report)
    facts = report.facts
    data = {
        "slurm": {
            "version": facts.value("SLURM_VERSION"),
            "client": facts.client,
            "conf": facts.value("SLURM_CONF"),
        },
        "findings": [finding.as_dict() for finding in report.findings],
        "nodes": {"asked": fold(facts.answers), "unasked": _together(facts.unasked.items())},
        "proposal": _proposal(report, todo),
        "proof": report.proof.as_dict() if report.proof else None,
    }
    return Result(data, page(report, todo), yes=not report.problems)


def _together(unasked: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node, why in unasked:
        found[why].append(node)
    return [{"nodes": fold(names), "why": why} for why, names in found.items()]


def _proposal(report: Report, todo: Steps) -> dict[str, Any] | None:
    proposal = report.proposal
    if proposal is None:
        return None
    return {
        "safe": proposal.safe,
        "unseen": list(proposal.unseen),
        "changes": [change.as_dict(told=bool(report.lines)) for change in proposal.changes],
        "lines": list(report.lines),
        "steps": [{"do": do, "why": why} for do, why in todo],
    }
