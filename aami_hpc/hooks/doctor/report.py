"""The whole of what the doctor has to say about a site, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.finding import Finding
    from aami_hpc.hooks.doctor.proof import Proof
    from aami_hpc.hooks.doctor.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Report:
    """`proposal` is None when Slurm could not be asked, `proof` when there is nothing to change."""

    facts: Facts
    findings: tuple[Finding, ...]
    proposal: Proposal | None = None
    proof: Proof | None = None
    remarks: tuple[str, ...] = ()

    @property
    def problems(self) -> int:
        return sum(finding.level == "problem" for finding in self.findings)

    @property
    def unknown(self) -> int:
        return sum(finding.level == "unknown" for finding in self.findings)

    @property
    def lines(self) -> tuple[str, ...]:
        """What may be written: only what every node is ready for, and what Slurm did not refuse."""
        if self.proposal is None or not self.proposal.safe or (self.proof and self.proof.refused):
            return ()
        return self.proposal.lines
