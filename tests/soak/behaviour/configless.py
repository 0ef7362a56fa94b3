"""Configless nodes: which files slurmctld sends to a slurmd that has no slurm.conf of its own."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from tests.lab.waiting import until
from tests.soak.behaviour.bench import NODE, Bench
from tests.soak.behaviour.experiment import Known, experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

# Before it has read slurm.conf, slurmd knows munge's usual socket only; a private view puts ours there.
_WITH_MUNGE = """
mkdir -p "$1/run/munge"
mount -t tmpfs aami-lab "$1/run/munge"
touch "$1/run/munge/munge.socket.2"
mount --bind "$2" "$1/run/munge/munge.socket.2"
shift 2
exec "$@"
"""


def _start(bench: Bench) -> None:
    """The node's slurmd, which asks slurmctld for all it has to know."""
    cluster = bench.cluster
    server = f"{cluster.host.address}:{cluster.ports.controller}"
    root = str(cluster.installation.root or "")
    cluster._daemons[NODE] = cluster.ledger.start(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-ec", _WITH_MUNGE, "sh"),
            *(root, cluster.layout.munge),
            *cluster.installation.argv("slurmd", "-D", "-N", NODE, "--conf-server", server),
        ],
        log=f"{NODE}.out",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        cwd=cluster.layout.log,
        stop=signal.SIGKILL,
    )


def _ended(bench: Bench, job: int) -> str:
    """How the job ended: it ran, or it was put back and is held."""
    fields = bench.job(job)
    held = fields["JobState"] == "PENDING" and fields["Priority"] == "0"
    return fields["JobState"] if held or fields["JobState"] == "COMPLETED" else ""


@experiment(
    "P12",
    "`Prolog=name` without a folder, `HealthCheckProgram=name` the same; the files beside slurm.conf, configless nodes",
    used_for="our launcher reaches nodes that have nothing of ours; health has to be on the node or run from a timer",
    relied={
        "prolog": "sent, executable, run",
        "health program": "not sent",
        "job": "COMPLETED",
        "node": "IDLE",
    },
    known={
        "22.05": Known(
            {"prolog": "not sent", "job": "PENDING", "node": "IDLE+DRAIN Prolog error"},
            "came with 23.11: before, the launcher is put on every node, or not named in slurm.conf",
        )
    },
)
def configless(bench: Bench) -> Mapping[str, Any]:
    with bench.fresh(nodes=1, extra={"SlurmctldParameters": "enable_configless"}) as fresh:
        for name in ("our-prolog", "our-health"):
            path = fresh.cluster.layout.etc / name
            path.write_text(f"{fresh.prelude}note {name}\n")
            path.chmod(0o755)
        fresh.cluster.stop_nodes()
        fresh.cluster.reconfigure(Prolog="our-prolog", HealthCheckProgram="our-health")
        _start(fresh)
        fresh.cluster.wait_nodes()
        job = fresh.submit("true")
        ended = until(lambda: _ended(fresh, job), "the job to end", timeout=30, evidence=fresh.evidence)
        node = fresh.wait_node(lambda it: it.flags <= {"IDLE", "DRAIN"}, "settled")
        cache = fresh.cluster.layout.spool / NODE / "conf-cache"
        sent = os.access(cache / "our-prolog", os.X_OK) and bool(fresh.noted("our-prolog"))
        return {
            "prolog": "sent, executable, run" if sent else "not sent",
            "health program": "sent" if (cache / "our-health").exists() else "not sent",
            "job": ended,
            "node": f"{node.state} {node.reason}".strip(),
        }
