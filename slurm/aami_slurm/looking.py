"""The part of a hook that looks: facts from what it holds already, a probe of the GPUs, and what follows from its answer."""

from aami_slurm import gpus, inventory
from aami_slurm.facts import Facts
from aami_slurm.gather import GPUS, Gathering, expected_gpus
from aami_slurm.job import JobRun
from aami_slurm.probe import ANSWERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

    from aami_slurm.book import Book
    from aami_slurm.frame import Judged, Plan
    from aami_slurm.node import Node

DRIVER = "driver-answers"


class Look:
    """One look of one hook. Start probes, `wait`, then `judge`. Without a book nothing is written."""

    def __init__(
        self, node: "Node", book: "Optional[Book]", stock: "Optional[Dict[str, Any]]", *, with_gpus: "bool"
    ) -> "None":
        self.node = node
        self.book = book
        self.stock = stock
        self.with_gpus = with_gpus
        self._plan: "Optional[Plan]" = None
        self.gathering = Gathering(node)
        self.facts = facts = Facts(node.name, node.phase, node.clock.wall(), int(node.clock.mono() * 1000000))
        facts.inventory = stock
        facts.expected_gpus = expected_gpus(node)

    @property
    def plan(self) -> "Plan":
        """The checks of this look. Loaded when they are first needed: a probe that runs already costs that time less."""
        if self._plan is None:
            from aami_slurm import frame

            names = frame.names(self.node.phase, with_gpus=self.with_gpus)
            self._plan = frame.Plan(self.node, names)
        return self._plan

    def _budget(self, most: "float") -> "float":
        """The policy's, by the check that the reading of the driver stands for."""
        from aami_slurm import checks, policy

        defaults = checks.load(DRIVER).DEFAULTS
        settings, now = self.node.settings, self.node.clock.wall()
        return min(most, policy.resolve(settings.policy, self.node.name, DRIVER, defaults, now).budget_s)

    def load(self) -> "None":
        """Load the checks now, while probes run."""
        _ = self.plan

    def start(self, budget: "float") -> "None":
        """The probes that any hook has: of the GPUs where they are asked, and the site's own."""
        if self.with_gpus:
            self._start_gpus(self._budget(budget))
        self.gathering.start_site(self.facts)

    def _start_gpus(self, budget: "float") -> "None":
        """Ask for the job's GPUs only, or for all of them where no inventory tells which they are."""
        held = self.facts.job_gpus
        known = (self.stock or {}).get("gpus", [])
        mine = [gpu for gpu in known if held and gpu["uuid"] in held]
        self.gathering.start_gpus(budget, mine if held and len(mine) == len(held) else None)

    def wait(self, seconds: "float") -> "None":
        self.gathering.wait(seconds)
        self.gathering.into(self.facts)
        answer = self.gathering.answers.get(GPUS)
        if (
            self.book is not None
            and answer is not None
            and answer.kind == ANSWERED
            and answer.value.get("whole")
        ):
            self._learn(self.book, answer.value)

    def judge(self) -> "List[Judged]":
        from aami_slurm import frame, second_look

        judged = self.plan.run(self.facts)
        second_look.settle(self.node, judged)
        return judged + frame.site(self.node, self.facts.site)

    def _learn(self, book: "Book", reading: "Dict[str, Any]") -> "None":
        """A reading of all GPUs makes or confirms the inventory; runs that began without one learn their GPUs."""
        node = self.node
        with book.open(node.patience):
            self.stock, changes = inventory.update(
                node.places, node.clock, node.name, node.boot_id, reading, node.settings.gres_order
            )
            # Checks compare with what was known before this reading: a card that is another one now is to be seen.
            self.facts.inventory = self.facts.inventory or self.stock
            for words in changes:
                book.event("inventory", generation=self.stock["generation"], words=words)
            for key, run in list(book.state.runs.items()):
                if run.get("unresolved"):
                    found = gpus.resolve(JobRun(_as_environment(run)), self.stock)
                    if found.gpus:
                        book.resolve_run(key, found.gpus)
                        self._mine(run, found.gpus)
            book.commit()

    def _mine(self, run: "Dict[str, Any]", found: "Iterable[Dict[str, Any]]") -> "None":
        job = self.facts.job
        if job is not None and (run["job_id"], run["restart"]) == (job.job_id, job.restart):
            self.facts.job_gpus = frozenset(gpu["uuid"] for gpu in found)


def _as_environment(run: "Dict[str, Any]") -> "Dict[str, str]":
    """What the ledger kept of what Slurm said about a run's GPUs."""
    told = {"SLURM_JOB_GPUS": run.get("gpus_told"), "CUDA_VISIBLE_DEVICES": run.get("visible")}
    return {name: value for name, value in told.items() if value is not None}
