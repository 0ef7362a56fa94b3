"""Every pitfall, in the order in which they are told: each is a function from facts to findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor.pitfalls import cluster, flags, health, on_nodes, programs, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.finding import Finding

PITFALLS: tuple[Callable[[Facts], list[Finding]], ...] = (
    cluster.versions,
    programs.called,
    programs.bare_hook,
    flags.prolog_flags,
    flags.run_in_job,
    flags.serial,
    flags.force_requeue,
    programs.arguments,
    programs.relative_path,
    on_nodes.asked,
    on_nodes.missing_program,
    on_nodes.not_executable,
    on_nodes.hidden_program,
    programs.script_order,
    programs.prep_plugin,
    programs.slurmd_user,
    cluster.configless,
    times.hook_timeout,
    times.message_timeout,
    times.batch_start_timeout,
    times.unkillable_step_timeout,
    health.health_program,
    health.health_interval,
    health.health_node_state,
    health.health_timeout,
    health.health_report,
    cluster.held_jobs,
    cluster.return_to_service,
    cluster.private_data,
    cluster.proctrack,
    on_nodes.our_files,
    on_nodes.node_python,
    on_nodes.node_state,
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Everything there is to say, in order."""
    return tuple(finding for pitfall in PITFALLS for finding in pitfall(facts))
