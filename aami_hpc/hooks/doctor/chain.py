"""How our hook joins the site's own: by the launcher that calls both, by a line of its own, or in the same folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.facts import is_pattern
from aami_hpc.hooks.doctor.releases import RELATIVE

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts


@dataclass(frozen=True, slots=True)
class Chain:
    """What one hook becomes. `site` goes into the launcher's `site=`; `copy_to` is where the launcher goes instead of
    beside slurm.conf.
    """

    hook: str
    launcher: str
    lines: tuple[str, ...]
    site: str = ""
    copy_to: str = ""
    why: str = ""


def chain(facts: Facts, hook: str) -> Chain:
    """The site's own programs stay, and run first: what they set up may be what ours looks at."""
    launcher = _launcher(facts, hook)
    now = facts.values(hook)
    if any(facts.calls_ours(hook, program) for program in now):
        return Chain(hook, launcher, now)
    site = facts.site_programs(hook)
    if not site:
        return Chain(hook, launcher, (launcher,), why=f"our {hook.lower()}, where a node has it")
    if len(site) == 1 and site[0].startswith("/") and not is_pattern(site[0]) and " " not in site[0]:
        why = f"runs {site[0]}, then our {hook.lower()} where a node has it"
        return Chain(hook, launcher, (launcher,), site=site[0], why=why)
    if facts.numbered:
        why = f"a line more: the site's programs, then our {hook.lower()} where a node has it"
        return Chain(hook, launcher, (*site, launcher), why=why)
    copy = _into_folder(facts.places(site[-1]), hook)
    return Chain(hook, launcher, site, copy_to=copy, why="this release takes one line")


def _launcher(facts: Facts, hook: str) -> str:
    """Beside slurm.conf; by its name alone where slurmctld sends it."""
    name = ours.LAUNCHER[hook]
    sent = facts.configless and facts.oldest is not None and facts.oldest >= RELATIVE
    return name if sent or not facts.folder else f"{facts.folder}/{name}"


def _into_folder(pattern: str, hook: str) -> str:
    """A name in the pattern's folder that the pattern finds, and finds last: patterns run from 9 to 0."""
    folder, _, last = pattern.rpartition("/")
    suffix = last.rpartition("*")[2] if "*" in last else ""
    return f"{folder}/00-{ours.LAUNCHER[hook]}{suffix}"
