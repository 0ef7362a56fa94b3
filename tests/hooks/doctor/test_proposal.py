"""The lines that are proposed: merged with the site's own, chained to its programs, and only when they are safe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import Seen
from aami_hpc.hooks.doctor.proposal import Proposal, propose
from tests.hooks.doctor.sites import LAUNCHERS, NODES, answer, bare, beside, site

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts

OLD = {"SLURM_VERSION": "22.05.8"}
OLD_EVERYWHERE = {"client": "22.05.8", "versions": dict.fromkeys(NODES, "22.05.8")}
NEW = {"SLURM_VERSION": "26.05.5", "HealthCheckTimeout": "0 sec"}
NEW_EVERYWHERE = {"client": "26.05.5", "versions": dict.fromkeys(NODES, "26.05.5")}


def of(facts: Facts, *known: str) -> Proposal:
    return propose(facts, lambda key: key in known)


def lines(proposal: Proposal) -> dict[str, list[str]]:
    return {change.key: list(change.then) for change in proposal.changes}


def test_a_site_that_is_well_needs_no_line() -> None:
    assert of(site()).changes == ()


def test_a_fresh_site_gets_all_lines() -> None:
    proposal = of(bare())
    assert proposal.safe
    assert proposal.lines == (
        "PrologFlags=Alloc",
        "Prolog=/etc/slurm/aami-prolog",
        "Epilog=/etc/slurm/aami-epilog",
        "PrologEpilogTimeout=60",
        "HealthCheckProgram=/usr/libexec/aami-hpc/health",
        "HealthCheckInterval=60",
    )


def test_keys_that_this_release_knows_are_preferred() -> None:
    found = lines(of(bare(NEW, **NEW_EVERYWHERE), "PrologTimeout", "EpilogTimeout", "HealthCheckTimeout"))
    assert (found["PrologTimeout"], found["EpilogTimeout"], found["HealthCheckTimeout"]) == (
        ["30"],
        ["60"],
        ["50"],
    )
    assert "PrologEpilogTimeout" not in found


def test_a_node_of_an_older_release_keeps_new_keys_away() -> None:
    facts = bare(NEW, client="26.05.5", versions={"gpu001": "26.05.5", "gpu002": "24.11.5"})
    found = lines(of(facts, "PrologTimeout", "EpilogTimeout", "HealthCheckTimeout"))
    assert "PrologEpilogTimeout" in found
    assert not set(found) & {"PrologTimeout", "EpilogTimeout", "HealthCheckTimeout"}


def test_flags_are_merged() -> None:
    assert lines(of(bare({"PrologFlags": "Serial"})))["PrologFlags"] == ["Alloc,Serial"]
    assert "PrologFlags" not in lines(of(bare({"PrologFlags": "Contain,X11"})))


def test_one_program_of_the_site_moves_into_the_launcher() -> None:
    proposal = of(bare({"Prolog[0]": "/etc/slurm/prolog.sh"}))
    assert lines(proposal)["Prolog"] == [LAUNCHERS["Prolog"]]
    assert [(one.hook, one.site) for one in proposal.chains] == [
        ("Prolog", "/etc/slurm/prolog.sh"),
        ("Epilog", ""),
    ]
    assert lines(proposal)["PrologEpilogTimeout"] == ["300"], "we don't know how long the site's own takes"


@pytest.mark.parametrize(
    "own",
    [
        {"Prolog[0]": "/etc/slurm/prolog.d/*"},
        {"Prolog[0]": "/a", "Prolog[1]": "/b"},
        {"Prolog[0]": "beside.sh"},
    ],
)
def test_several_programs_get_a_line_beside_them(own: dict[str, str]) -> None:
    assert lines(of(bare(own)))["Prolog"] == [*own.values(), LAUNCHERS["Prolog"]]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("/d/*", "00-aami-prolog"), ("/d/*.sh", "00-aami-prolog.sh"), ("/d/[0-9]*", "00-aami-prolog")],
)
def test_a_release_of_one_line_gets_the_launcher_into_the_folder(pattern: str, name: str) -> None:
    config = {**OLD, "Prolog": pattern, "Epilog": "(null)", "Prolog[0]": None, "Epilog[0]": None}
    proposal = of(bare(config, **OLD_EVERYWHERE))
    assert "Prolog" not in lines(proposal)
    assert proposal.chains[0].copy_to == f"/d/{name}"


def test_what_calls_ours_already_stays_as_it_is() -> None:
    own = "/etc/slurm/prolog.sh"
    shown = {own: [Seen(own, "ok", calls_ours=True)]}
    facts = bare({"Prolog[0]": own}, answers={name: answer(shown) for name in NODES})
    assert "Prolog" not in lines(of(facts))


def test_a_bare_hook_is_replaced_by_the_launcher() -> None:
    assert lines(of(site({"Epilog[0]": ours.PROGRAM["Epilog"]}))) == {"Epilog": [LAUNCHERS["Epilog"]]}


def test_programs_of_slurmctld_have_limits_of_their_own() -> None:
    found = lines(of(bare({"PrologSlurmctld[0]": "/opt/burst/create-nodes"})))
    assert "PrologEpilogTimeout" not in found, "it would end them, too"


def test_a_limit_that_is_too_short_grows() -> None:
    assert lines(of(site({"PrologEpilogTimeout": "4"}))) == {"PrologEpilogTimeout": ["60"]}
    assert lines(of(site({"MessageTimeout": "4 sec"}))) == {"MessageTimeout": ["10"]}


def test_the_health_check_of_somebody_else_stays_with_all_its_settings() -> None:
    nhc = {
        "HealthCheckProgram": "/usr/sbin/nhc",
        "HealthCheckInterval": "0 sec",
        "HealthCheckNodeState": "IDLE",
    }
    proposal = of(site(nhc))
    assert proposal.changes == ()
    assert proposal.timer
    assert not of(site(nhc, timer=True)).timer


def test_a_timer_needs_no_health_check_program() -> None:
    assert "HealthCheckProgram" not in lines(of(bare(timer=True)))


def test_nodes_that_health_leaves_out_are_looked_at() -> None:
    assert lines(of(site({"HealthCheckNodeState": "CYCLE,IDLE"}))) == {"HealthCheckNodeState": ["ANY,CYCLE"]}


def unsafe(facts: Facts) -> str:
    proposal = of(facts)
    assert not proposal.safe
    return "; ".join(proposal.unseen)


def test_nothing_is_safe_when_no_node_could_be_asked() -> None:
    facts = bare(answers={}, unasked=dict.fromkeys(NODES, "login refused"))
    assert unsafe(facts).startswith("no node could be asked: login refused")


def test_nothing_is_safe_when_one_node_could_not_be_asked() -> None:
    facts = bare(answers={"gpu001": answer()}, unasked={"gpu002": "it is IDLE+POWERED_DOWN"})
    assert unsafe(facts) == "could not ask gpu002"


def test_nothing_is_safe_when_nodes_are_hidden_or_unknown() -> None:
    assert "PrivateData hides nodes" in unsafe(bare(hidden_nodes=True))
    assert "names no node" in unsafe(bare(nodes=(), answers={}))


@pytest.mark.parametrize("path", [LAUNCHERS["Prolog"], LAUNCHERS["Epilog"], ours.HEALTH])
def test_nothing_is_safe_while_a_node_lacks_what_a_line_names(path: str) -> None:
    facts = bare(answers={"gpu001": answer(), "gpu002": answer({path: "missing"})})
    assert unsafe(facts) == f"{path} is not there on gpu002"


def test_nothing_is_safe_while_a_launcher_would_leave_the_sites_own_program_out() -> None:
    own = "/etc/slurm/prolog.sh"
    launcher = {LAUNCHERS["Prolog"]: [Seen(LAUNCHERS["Prolog"], "ok", calls_ours=True, site=own)]}
    some = {"gpu001": answer(launcher), "gpu002": answer()}
    assert unsafe(bare({"Prolog[0]": own}, answers=some)) == (
        "/etc/slurm/aami-prolog does not run /etc/slurm/prolog.sh on gpu002: write site=/etc/slurm/prolog.sh into it"
    )
    everywhere = {name: answer(launcher) for name in NODES}
    assert of(bare({"Prolog[0]": own}, answers=everywhere)).safe


def test_configless_nodes_get_the_launcher_from_slurmctld() -> None:
    facts = bare(
        {"SlurmctldParameters": "enable_configless"},
        answers={
            name: answer(dict.fromkeys(LAUNCHERS.values(), "missing"), configless=True) for name in NODES
        },
        beside=beside(),
    )
    assert of(facts).safe
    assert lines(of(facts))["Prolog"] == ["aami-prolog"]
    assert "is not there on this controller" in unsafe(replace(facts, beside=beside(prolog="missing")))
    assert "ask there" in unsafe(replace(facts, beside=None))
    chained = replace(facts, config={**facts.config, "Prolog[0]": "/opt/prolog.sh"})
    assert "does not run /opt/prolog.sh" in unsafe(chained)
    assert of(replace(chained, beside=beside(site="/opt/prolog.sh"))).safe
    own = {"gpu001": answer(configless=True), "gpu002": answer({LAUNCHERS["Prolog"]: "missing"})}
    assert "gpu002 have a slurm.conf of their own" in unsafe(replace(facts, answers=own))


def test_configless_nodes_of_an_old_release_need_it_in_their_image() -> None:
    config = {**OLD, "Prolog[0]": None, "Epilog[0]": None, "SlurmctldParameters": "enable_configless"}
    assert lines(of(bare(config, **OLD_EVERYWHERE)))["Prolog"] == [LAUNCHERS["Prolog"]]
