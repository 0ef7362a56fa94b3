"""What an action gives back: data with stable keys for machines, a document for people, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aami_hpc.render.document import Document


@dataclass(frozen=True, slots=True)
class Result:
    """`yes` is the answer: False (unhealthy, differences, refused) becomes exit status 1."""

    data: Any  # what `--json` prints; its keys are documented and stable
    document: Document
    yes: bool = True
