"""Whether this Slurm takes the site's slurm.conf with the proposed lines in it: tried on a copy, not concluded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.hooks.doctor import conf_text
from aami_hpc.hooks.doctor.finding import Finding
from aami_hpc.hooks.doctor.releases import words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aami_hpc.fleet.survey.tree import Tree
    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.parser import Parser

_SAME = "Match"
_STALE = "Different"


@dataclass(frozen=True, slots=True)
class Conf:
    """slurm.conf on this machine, with what it includes; `why` it can't be read."""

    path: str = ""
    text: str = ""
    why: str = ""

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Proof:
    """`proven` when Slurm took the file with the lines, `refused` when it did not; `why` nothing is proven otherwise,
    `said` what Slurm complained of.
    """

    proven: bool = False
    refused: bool = False
    why: str = ""
    said: tuple[str, ...] = ()
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The stable keys in `--json`."""
        return {
            "proven": self.proven,
            "refused": self.refused,
            "why": self.why,
            "said": list(self.said),
            "file": self.file,
        }


def read_conf(tree: Tree, path: str, cluster: str = "") -> Conf:
    """The file as Slurm would read it."""
    if not path:
        return Conf(why="slurm.conf is at none of the usual places, and $SLURM_CONF is not set")
    found = conf_text.whole(tree, path, cluster)
    return Conf(path, found.words, found.why)


def prove(facts: Facts, conf: Conf, parser: Parser, keys: Collection[str], lines: Sequence[str]) -> Proof:
    """Try the lines in a copy of the file."""
    doubt = _doubt(facts, conf, parser)
    if doubt:
        return Proof(why=doubt, file=conf.path)
    before = parser.read(conf.text, conf.folder)
    after = parser.read(conf_text.with_lines(conf.text, keys, lines), conf.folder)
    new = tuple(line for line in after.said if line not in before.said)
    if not before.taken:
        return Proof(
            why=f"{conf.path} as it is can't be read: {_last(before.said)}", said=before.said, file=conf.path
        )
    if not after.taken:
        return Proof(refused=True, why="Slurm refuses the file with these lines", said=new, file=conf.path)
    if new:
        return Proof(
            refused=True, why="Slurm reads the file with these lines, and complains", said=new, file=conf.path
        )
    return Proof(proven=True, file=conf.path)


def _doubt(facts: Facts, conf: Conf, parser: Parser) -> str:
    """Why a trial would prove nothing."""
    if conf.why:
        return f"slurm.conf can't be read here: {conf.why}"
    if not parser.honest():
        return "scontrol here does not read the file that $SLURM_CONF names, or can't be run on one"
    if facts.value("HASH_VAL").startswith(_STALE):
        return f"{conf.path} here is not what slurmctld runs with"
    if len(facts.releases) > 1:
        others = ", ".join(map(words, sorted(facts.releases)))
        return f"the parser here is one of {others}: another release may read the lines differently"
    return ""


def examine(facts: Facts, conf: Conf, parser: Parser) -> list[Finding]:
    """What is wrong with slurm.conf as it stands: the next restart or reconfigure would meet it."""
    if conf.why:
        return [Finding("parse", "unknown", f"slurm.conf can't be read here: {conf.why}")]
    found = refused(conf, parser)
    if facts.value("HASH_VAL").startswith(_STALE):
        return [
            Finding(
                "parse",
                "note",
                f"{conf.path} here is not what slurmctld runs with",
                "Somebody changed it and did not reconfigure, or this machine has an old copy",
                "Compare it with the controller's before you change it",
            ),
            *found,
        ]
    if facts.value("HASH_VAL") == _SAME and not found:
        return [Finding("parse", "ok", f"{conf.path} is what slurmctld runs with")]
    return found


def refused(conf: Conf, parser: Parser) -> list[Finding]:
    """The finding for a file that Slurm's parser does not take as it stands."""
    verdict = parser.at(conf.path)
    if verdict.taken or verdict.lost or not parser.honest():
        return []
    return [
        Finding(
            "parse",
            "problem",
            f"Slurm can't read {conf.path}: {_last(verdict.said)}",
            "Daemons that run go on with what they read before. At the next restart or reconfigure slurmctld and "
            "slurmd die of it, and every command fails",
            "Correct it before anything else. Prolog=, Epilog= and HealthCheckProgram= take one path and no arguments",
        )
    ]


def _last(said: Sequence[str]) -> str:
    """What it complained of, without the line that says that it gives up."""
    telling = [line for line in said if "Unable to process configuration file" not in line]
    return "; ".join(telling[-2:]) or "it gives no reason"
