"""For every pitfall, the site that falls into it, and what is said then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import Seen
from tests.hooks.doctor.sites import NODES, answer, bare, beside, site

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.finding import Level


class Case(NamedTuple):
    """`says` stands in what is told: in what was seen, why it matters or what to do."""

    name: str
    level: Level
    facts: Facts
    says: str


SITE_PROLOG = "/etc/slurm/prolog.sh"
FOLDER = "/etc/slurm/prolog.d/*"
_OLD = {"SLURM_VERSION": "22.05.8", "Prolog[0]": None, "Epilog[0]": None}
_OLD_EVERYWHERE = {"client": "22.05.8", "versions": dict.fromkeys(NODES, "22.05.8")}
_ASKED_IN_PART: dict[str, Any] = {
    "answers": {"gpu001": answer()},
    "unasked": {"gpu002": "connection refused"},
}


def _one_bad(path: str, *seen: Seen) -> dict[str, Any]:
    return {"answers": {"gpu001": answer({path: [Seen(path, "ok")]}), "gpu002": answer({path: seen})}}


CASES: tuple[Case, ...] = (
    Case("versions", "note", site({"SLURM_VERSION": "27.05.0"}), "27.05 is taken for its nearest neighbour"),
    Case("versions", "note", site({"SLURM_VERSION": "21.08.8-2"}), "tested with 22.05 to 26.05"),
    Case("versions", "note", site(versions={"gpu001": "23.11.4"}), "slurmd 23.11.4 on gpu001"),
    Case("versions", "unknown", site({"SLURM_VERSION": ""}, client="", versions={}), "could not be told"),
    Case("launcher", "note", bare(), "does not call our prolog and epilog yet"),
    Case("launcher", "problem", site({"Epilog[0]": None}), "our epilog is not called"),
    Case(
        "bare-hook", "problem", site({"Prolog[0]": ours.PROGRAM["Prolog"]}), "aami-prolog beside slurm.conf"
    ),
    Case("prolog-flags", "problem", site({"PrologFlags": "(null)"}), "PrologFlags=Alloc"),
    Case("prolog-flags", "problem", site({"PrologFlags": "Serial"}), "PrologFlags=Alloc,Serial"),
    Case("run-in-job", "problem", site({"PrologFlags": "Alloc,Contain,RunInJob"}), "memory"),
    Case("serial", "note", site({"PrologFlags": "Alloc,Serial"}), "wait for each other"),
    Case("force-requeue", "note", site({"PrologFlags": "Alloc,ForceRequeueOnFail"}), "--no-requeue"),
    Case("arguments", "problem", site({"Prolog[0]": "/x/prolog.sh --config y"}), "has a space"),
    Case(
        "arguments",
        "problem",
        site({"HealthCheckProgram": "/usr/sbin/nhc -v"}),
        "HealthCheckProgram=/usr/sbin/nhc -v",
    ),
    Case(
        "relative-path",
        "problem",
        site({**_OLD, "Prolog": "prolog.sh"}, **_OLD_EVERYWHERE),
        "does not look beside slurm.conf",
    ),
    Case("relative-path", "problem", site({"Prolog[1]": "x"}, versions={"gpu001": "23.02.7"}), "23.02"),
    Case("nodes", "unknown", site(**_ASKED_IN_PART), "Could not ask gpu002: connection refused"),
    Case("nodes", "unknown", site(nodes=(), answers={}, versions={}), "names no node"),
    Case(
        "missing-program",
        "problem",
        site({"Prolog[1]": SITE_PROLOG}, **_one_bad(SITE_PROLOG, Seen(SITE_PROLOG, "missing"))),
        "/etc/slurm/prolog.sh is not there on gpu002",
    ),
    Case(
        "missing-program",
        "problem",
        site({"Epilog[1]": FOLDER}, **_one_bad(FOLDER, Seen(FOLDER, "missing"))),
        "Epilog: /etc/slurm/prolog.d/* is not there on gpu002",
    ),
    Case(
        "not-executable",
        "problem",
        site(
            {"Prolog[1]": FOLDER},
            **_one_bad(
                FOLDER, Seen("/etc/slurm/prolog.d/90", "ok"), Seen("/etc/slurm/prolog.d/x~", "not-executable")
            ),
        ),
        "/etc/slurm/prolog.d/x~ is not executable on gpu002",
    ),
    Case(
        "not-executable",
        "note",
        site({"Prolog[0]": FOLDER}, answers={}, here=answer({FOLDER: [Seen("/d/x~", "not-executable")]})),
        "/d/x~ is not executable on this machine",
    ),
    Case(
        "hidden-program",
        "unknown",
        site({"Prolog[1]": SITE_PROLOG}, **_one_bad(SITE_PROLOG, Seen(SITE_PROLOG, "hidden"))),
        "may not look into",
    ),
    Case("script-order", "note", site({"Prolog[1]": SITE_PROLOG}), "The first that fails ends it"),
    Case("script-order", "note", site({"Prolog[0]": FOLDER}), "90 before 10"),
    Case("prep-plugin", "problem", site({"PrEpPlugins": "prep/other"}), "PrEpPlugins=prep/other,prep/script"),
    Case("slurmd-user", "problem", site({"SlurmdUser": "slurm(64030)"}), "don't run as root"),
    Case("configless", "note", site({"SlurmctldParameters": "enable_configless"}), "that script alone"),
    Case(
        "configless",
        "note",
        site({"SlurmctldParameters": "cloud_dns,enable_configless"}, versions={"gpu001": "22.05.8"}),
        "sends no scripts",
    ),
    Case(
        "configless",
        "problem",
        site(
            {"SlurmctldParameters": "enable_configless", "Prolog[0]": "aami-prolog"},
            beside=beside(prolog="missing"),
        ),
        "aami-prolog is not there",
    ),
    Case(
        "hook-timeout", "problem", site({"PrologEpilogTimeout": "65534"}), "for prologs and epilogs for ever"
    ),
    Case("hook-timeout", "problem", site({"PrologEpilogTimeout": "4"}), "PrologEpilogTimeout=5 or more"),
    Case(
        "hook-timeout",
        "problem",
        site({"PrologEpilogTimeout": None, "PrologTimeout": "30", "EpilogTimeout": "65534"}),
        "for epilogs for ever",
    ),
    Case(
        "hook-timeout",
        "problem",
        site({"PrologEpilogTimeout": None, "PrologTimeout": "30", "EpilogTimeout": "6"}),
        "EpilogTimeout is 6 s",
    ),
    Case("message-timeout", "problem", site({"MessageTimeout": "5 sec"}), "after 3 s"),
    Case("message-timeout", "note", site({"MessageTimeout": "600 sec"}), "UnkillableStepTimeout"),
    Case("batch-start-timeout", "note", site({"BatchStartTimeout": "3 sec"}), "BatchStartTimeout=10"),
    Case("unkillable-step-timeout", "note", site({"UnkillableStepTimeout": "3000 sec"}), "keeps its node"),
    Case(
        "unkillable-step-timeout",
        "note",
        site({"UnkillableStepTimeout": "20 sec"}),
        "UnkillableStepTimeout=50",
    ),
    Case("health-program", "note", bare(), "HealthCheckProgram is not set"),
    Case("health-program", "note", site({"HealthCheckProgram": "/usr/sbin/nhc"}), "hooks.health to timer"),
    Case("health-program", "note", site({"HealthCheckProgram": "/x/y"}), "another program: /x/y"),
    Case("health-program", "note", site(timer=True), "health runs twice"),
    Case("health-interval", "problem", site({"HealthCheckInterval": "0 sec"}), "HealthCheckInterval is 0"),
    Case("health-interval", "note", site({"HealthCheckInterval": "10 sec"}), "ends at once"),
    Case("health-interval", "note", site({"HealthCheckInterval": "900 sec"}), "for 60 s"),
    Case("health-node-state", "note", site({"HealthCheckNodeState": "IDLE"}), "nodes with all CPUs in use"),
    Case("health-node-state", "note", site({"HealthCheckNodeState": "CYCLE,NONDRAINED_IDLE"}), "ANY,CYCLE"),
    Case("health-node-state", "note", site({"HealthCheckNodeState": "START_ONLY"}), "between two starts"),
    Case("health-timeout", "problem", site({"HealthCheckTimeout": "20 sec"}), "may take 45 s"),
    Case(
        "health-timeout", "note", site({"HealthCheckTimeout": "60 sec"}), "not less than HealthCheckInterval"
    ),
    Case("health-report", "note", site({"SLURM_VERSION": "26.05.5"}), "health_check_report"),
    Case("held-jobs", "note", site(), "scontrol release"),
    Case(
        "held-jobs", "note", site({"SchedulerParameters": "a=1,nohold_on_prolog_fail"}), "from node to node"
    ),
    Case("return-to-service", "note", site({"ReturnToService": "2"}), "as soon as it registers"),
    Case("private-data", "note", site({"PrivateData": "jobs,usage"}), "no user and no account"),
    Case(
        "private-data",
        "note",
        site({"PrivateData": "jobs"}, job_labels=("user",)),
        "puts user into the metrics",
    ),
    Case("proctrack", "note", site({"ProctrackType": "proctrack/linuxproc"}), "can leave its job"),
    Case(
        "our-files",
        "note",
        site(answers={"gpu001": answer({ours.PROGRAM["Prolog"]: "missing"})}),
        "hooks push",
    ),
    Case("node-python", "problem", site(answers={"gpu001": replace(answer(), python="")}), "on gpu001"),
    Case("node-state", "note", site(answers={"gpu001": answer(state_fs="tmpfs")}), "tmpfs on gpu001"),
    Case("node-state", "problem", site(answers={"gpu001": answer(state_fs="nfs4")}), "file server"),
)
