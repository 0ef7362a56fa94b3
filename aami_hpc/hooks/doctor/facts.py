"""What the doctor knows of a site: Slurm's configuration in force, its versions, and what nodes showed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.releases import release

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aami_hpc.hooks.doctor.answer import Answer, Seen
    from aami_hpc.hooks.doctor.releases import Release

_NOTHING = frozenset({"", "(null)", "none", "(none)", "n/a"})
_NO_LIMIT = frozenset(
    {65533, 65534, 65535, 4294967294, 4294967295}
)  # how releases print a time that is not set
_NUMBER = re.compile(r"\d{1,10}")
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Facts:
    """`config` is `scontrol show config`. `answers` are of nodes that showed themselves, `unasked` says why others
    did not. `beside` is what stands beside slurm.conf, on a machine that runs slurmctld; None elsewhere.
    """

    config: Mapping[str, str]
    client: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)  # slurmd's, by node
    nodes: tuple[str, ...] = ()
    hidden_nodes: bool = False
    answers: Mapping[str, Answer] = field(default_factory=dict)
    unasked: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Seen] | None = None
    here: Answer | None = None  # this machine, which may have the nodes' files and may not
    timer: bool = False  # whether our health check is set to run from a timer
    job_labels: tuple[str, ...] | None = None  # hooks.job_labels; None: what PrivateData leaves

    def value(self, key: str) -> str:
        """The value of a key; nothing when it is not set or this release does not have it."""
        value = self.config.get(key, "").strip()
        return "" if value.lower() in _NOTHING else value

    def values(self, key: str) -> tuple[str, ...]:
        """Every value of a key that newer releases number: `Prolog[0]`, `Prolog[1]`."""
        numbered = [self.value(name) for name in self.config if name == key or name.startswith(f"{key}[")]
        return tuple(value for value in numbered if value)

    def flags(self, key: str) -> frozenset[str]:
        """The words of a comma-separated value, in lower case."""
        return frozenset(word.strip().lower() for word in self.value(key).split(",") if word.strip())

    def parameter(self, key: str, name: str) -> str | None:
        """`4` of `name=4`, nothing of a bare `name`, None when the list does not have it."""
        for word in self.value(key).split(","):
            found, _, value = word.strip().partition("=")
            if found.lower() == name:
                return value
        return None

    def seconds(self, key: str) -> int | None:
        """A time; None for no limit, and for a key that is not there."""
        found = _NUMBER.match(self.value(key))
        number = int(found[0]) if found else None
        return None if number in _NO_LIMIT else number

    def has_no_limit(self, key: str) -> bool:
        """Whether a time is set to for ever, for which releases print one of several numbers."""
        found = _NUMBER.match(self.value(key))
        return found is not None and int(found[0]) in _NO_LIMIT

    def hook_limit(self, hook: str) -> int | None:
        """How long Slurm lets a hook run; None for ever."""
        own = self.seconds(f"{hook}Timeout")
        return self.seconds("PrologEpilogTimeout") if own is None else own

    @property
    def controller(self) -> Release | None:
        return release(self.value("SLURM_VERSION"))

    @property
    def releases(self) -> frozenset[Release]:
        """Of every part whose version is known: controller, commands here, nodes."""
        told = (self.value("SLURM_VERSION"), self.client, *self.versions.values())
        return frozenset(found for version in told if (found := release(version)))

    @property
    def oldest(self) -> Release | None:
        return min(self.releases, default=None)

    @property
    def numbered(self) -> bool:
        """Whether this release takes several lines of one hook: then it numbers even a single one."""
        return any(key.startswith(("Prolog[", "Epilog[")) for key in self.config)

    @property
    def folder(self) -> str:
        """Where slurm.conf is, on the controller."""
        return self.value("SLURM_CONF").rpartition("/")[0]

    @property
    def configless(self) -> bool:
        return "enable_configless" in self.flags("SlurmctldParameters")

    def places(self, program: str) -> str:
        """The absolute path or pattern of a program: a relative one stands beside slurm.conf."""
        return program if program.startswith("/") or not self.folder else f"{self.folder}/{program}"

    def seen(self, program: str) -> Mapping[str, tuple[Seen, ...]]:
        """What a program or pattern stands for, by node that answered."""
        place = self.places(program)
        return {node: one.programs.get(place, ()) for node, one in self.answers.items()}

    def calls_ours(self, hook: str, program: str) -> bool:
        """Whether a program is our launcher, by its name or by what nodes show in it."""
        if program.rpartition("/")[2] == ours.LAUNCHER[hook]:
            return True
        seen = [files for files in self.seen(program).values() if files]
        return bool(seen) and all(any(file.calls_ours for file in files) for files in seen)

    def hooked(self, hook: str) -> bool:
        """Whether Slurm calls our hook already, by a launcher or straight."""
        programs = self.values(hook)
        return any(program == ours.PROGRAM[hook] or self.calls_ours(hook, program) for program in programs)

    def site_programs(self, hook: str) -> tuple[str, ...]:
        """The site's own programs of a hook."""
        return tuple(
            program
            for program in self.values(hook)
            if program != ours.PROGRAM[hook] and not self.calls_ours(hook, program)
        )


def is_pattern(program: str) -> bool:
    """Whether a program is a pattern that stands for several."""
    return bool(_GLOB & set(program))


def asked_about(facts: Facts) -> tuple[str, ...]:
    """Every path and pattern that nodes are asked about: what Slurm calls, and what we may propose."""
    called = [facts.places(program) for hook in ours.HOOKS for program in facts.values(hook)]
    health = facts.value("HealthCheckProgram")
    beside = [f"{facts.folder}/{name}" for name in ours.LAUNCHER.values()] if facts.folder else []
    found: Iterable[str] = (*called, health, *beside, *ours.PROGRAM.values(), ours.HEALTH)
    return tuple(dict.fromkeys(path for path in found if path.startswith("/")))
