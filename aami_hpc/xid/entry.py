"""What the catalogue says about one code. Reading it is strict: see shape.py."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - shape.py reads these annotations
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from aami_xid.guide.unknown import SXID_FROM

Severity = Literal["fatal", "error", "warning", "info"]
Affected = Literal["app", "gpu", "node", "fabric"]
Action = Literal[
    "none", "notify", "investigate", "drain-when-idle", "drain-reset", "drain-reboot", "drain-service",
    "follow-154", "admin",
]  # fmt: skip
Status = Literal["documented", "unused", "reused", "driver-header", "reported"]
Generation = Literal["A100", "H100", "B200", "GB200"]


@dataclass(frozen=True, slots=True)
class Cause:
    text: str
    likelihood: Literal["likely", "possible", "rare"]


@dataclass(frozen=True, slots=True)
class Actions:
    """`if_repeats` says what it means when the code comes again there."""

    now: tuple[str, ...]
    if_repeats: Mapping[Literal["same_gpu", "same_port", "same_job", "fleet"], str]


@dataclass(frozen=True, slots=True)
class Buckets:
    """NVIDIA's own words, or None where it gives none."""

    immediate: str | None
    investigatory: str | None


@dataclass(frozen=True, slots=True)
class Related:
    """Another code, and whether it comes before, with or after this one. Its size tells of which kind it is."""

    code: int
    order: Literal["before", "with", "after"]
    why: str


@dataclass(frozen=True, slots=True)
class FabricManager:
    """The class its guide gives the error, and the recovery it names."""

    class_: str
    recovery: str


@dataclass(frozen=True, slots=True)
class Example:
    """Real lines; `made` if they were composed from the driver's format because none is published."""

    log: tuple[str, ...]
    story: str
    made: bool = False


@dataclass(frozen=True, slots=True)
class Xid:
    """`judged` names the keys that hold our judgement rather than NVIDIA's word."""

    code: int
    mnemonic: str | None
    title: str
    status: Status
    severity: Severity
    affects: tuple[Affected, ...]
    action: Action
    meaning: str
    causes: tuple[Cause, ...]
    actions: Actions
    evidence: tuple[str, ...]
    tell_user: str
    nvidia: Buckets
    generations: Mapping[Generation, str]
    related: tuple[Related, ...]
    words: tuple[str, ...]
    sources: tuple[str, ...]
    judged: tuple[str, ...]
    example: Example | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data, in the order of the file."""
        return {"kind": "xid", **_plain(self)}


@dataclass(frozen=True, slots=True)
class Sxid:
    """An error of an NVSwitch. `driver` says how the driver of each switch generation logs it."""

    code: int
    mnemonic: str | None
    title: str
    unit: str
    severity: Severity
    affects: tuple[Affected, ...]
    scope: Literal["port", "switch", "unknown"]
    action: Action
    meaning: str
    causes: tuple[Cause, ...]
    actions: Actions
    evidence: tuple[str, ...]
    tell_user: str
    driver: Mapping[Literal["A100", "H100"], str]
    fabric_manager: FabricManager | None
    related: tuple[Related, ...]
    sources: tuple[str, ...]
    judged: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same keys as an Xid has, and those of its own."""
        missing: dict[str, Any] = {
            "status": "documented",
            "nvidia": {"immediate": None, "investigatory": None},
            "generations": dict(self.driver),
            "words": [],
            "example": None,
        }
        return {"kind": "sxid", **_plain(self), **missing}


Entry: TypeAlias = Xid | Sxid


def _plain(entry: Any) -> dict[str, Any]:
    found: dict[str, Any] = _listed(asdict(entry))
    for one in found["related"]:
        one["kind"] = "xid" if one["code"] < SXID_FROM else "sxid"
    return found


def _listed(value: Any) -> Any:
    """Tuples as lists: what JSON gives back."""
    if isinstance(value, dict):
        return {key.rstrip("_"): _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, (list, tuple)) else value
