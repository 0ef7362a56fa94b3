"""The programs that Slurm calls: prologs, epilogs, health checks, and the times it gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.sighting import Sighting
from aami_hpc.fleet.survey.slurm import setting
from aami_hpc.fleet.survey.tree import NOT_THERE

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.slurm import SlurmView
    from aami_hpc.fleet.survey.slurm_files import SlurmFile
    from aami_hpc.fleet.survey.tree import Tree

# Parameter, key in JSON. Programs are looked up on this machine, too.
_PROGRAMS = (
    ("Prolog", "prolog"),
    ("Epilog", "epilog"),
    ("PrologSlurmctld", "prolog_slurmctld"),
    ("EpilogSlurmctld", "epilog_slurmctld"),
    ("HealthCheckProgram", "health_check_program"),
    ("TaskProlog", "task_prolog"),
    ("TaskEpilog", "task_epilog"),
    ("SrunProlog", "srun_prolog"),
    ("SrunEpilog", "srun_epilog"),
    ("RebootProgram", "reboot_program"),
    ("UnkillableStepProgram", "unkillable_step_program"),
)
_SETTINGS = (
    ("HealthCheckInterval", "health_check_interval"),
    ("HealthCheckNodeState", "health_check_node_state"),
    ("HealthCheckTimeout", "health_check_timeout"),
    ("PrologFlags", "prolog_flags"),
    ("PrologEpilogTimeout", "prolog_epilog_timeout"),
    ("PrologTimeout", "prolog_timeout"),
    ("EpilogTimeout", "epilog_timeout"),
    ("BatchStartTimeout", "batch_start_timeout"),
    ("MessageTimeout", "message_timeout"),
    ("UnkillableStepTimeout", "unkillable_step_timeout"),
)
_NO_LIMIT = {"65534", "4294967294"}  # how older releases print a time that is not set


def hooks(tree: Tree, view: SlurmView, file: SlurmFile) -> Sightings:
    """Every hook and every time limit around hooks; a hook that is not set has the value None."""
    if view.config is None and not file.values:
        return ()
    return (
        *(_program(tree, view, file, parameter, key) for parameter, key in _PROGRAMS),
        *(_setting(view, file, parameter, key) for parameter, key in _SETTINGS),
    )


def _program(tree: Tree, view: SlurmView, file: SlurmFile, parameter: str, key: str) -> Sighting:
    value, source = setting(view, file, parameter)
    note = _note(tree, value, file.path) if value else _unheard_of(view, parameter)
    return Sighting(key, parameter, value or None, source, note=note)


def _unheard_of(view: SlurmView, parameter: str) -> str:
    """What is not set stands in Slurm's answer all the same; what is not in it came with a later release."""
    if view.config is None or any(name.partition("[")[0] == parameter for name in view.config):
        return ""
    return "this release of Slurm does not have it"


def _note(tree: Tree, value: str, conf: str) -> str:
    """What a person should know of a program, as seen from here. It need not be on this machine: no fault."""
    programs = [part.strip() for part in value.split(",")]
    for program in programs:
        path = program if program.startswith("/") else f"{conf.rpartition('/')[0]}/{program}"
        what = _wrong(tree, path)
        if what:
            return what if len(programs) == 1 else f"{program}: {what}"
    return ""


def _wrong(tree: Tree, path: str) -> str:
    if any(char in path for char in "*?["):
        return ""  # a pattern of several programs
    missing = tree.missing(path)
    if missing == NOT_THERE and " " in path:
        return "Slurm calls a program without arguments, and may refuse to start with this"
    if missing == NOT_THERE:
        return "not on this machine"
    return "" if missing or tree.runs(path) else "can't be executed on this machine"


def _setting(view: SlurmView, file: SlurmFile, parameter: str, key: str) -> Sighting:
    value, source = setting(view, file, parameter)
    note = "no limit" if value.split(" ", maxsplit=1)[0] in _NO_LIMIT else ""
    return Sighting(
        key, parameter, value or None, source, note=note if value else _unheard_of(view, parameter)
    )
