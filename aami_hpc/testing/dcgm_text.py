"""The page of one exporter, in the order, with the labels and in the number formats of dcgm-exporter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.testing.dcgm_faults import REASONS, Fault
from aami_hpc.testing.dcgm_fields import (
    CLOCK_EVENTS,
    FIELDS,
    LABEL,
    NOT_IN_MIG,
    SAMPLING,
    WINDOW,
    XID_TEXTS,
    XIDS,
    Counter,
    Exporter,
)
from aami_hpc.testing.dcgm_model import LOST_AFTER, Gpu, Value, readings

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_XID = "DCGM_FI_DEV_XID_ERRORS"
_MARK = (
    "# HELP aami_simulated These GPUs do not exist: the page comes from the simulator of aami-hpc.\n"
    "# TYPE aami_simulated gauge\naami_simulated 1\n"
)
Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """One GPU as its exporter sees it. `xids` are times and codes since boot; `fresh` is when the exporter started."""

    gpu: Gpu
    xids: tuple[tuple[float, int], ...]
    fresh: float
    jobs: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is made of."""

    counters: tuple[Counter, ...]
    exporter: Exporter
    node: str
    driver: str
    units: tuple[Unit, ...]


def page(shown: Page, now: float) -> str:
    """The whole page at this time."""
    values = {unit.gpu.identity.index: _values(unit, now) for unit in shown.units}
    metrics = sorted((c for c in shown.counters if c.type != LABEL), key=lambda c: FIELDS[c.name][0])
    parts = [_MARK]
    for counter in metrics:
        lines = [
            line
            for unit in shown.units
            for line in _lines(shown, unit, counter.name, values[unit.gpu.identity.index], now)
        ]
        if lines:
            parts.append(f"# HELP {counter.name} {counter.help}\n# TYPE {counter.name} {counter.type}\n")
            parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def _values(unit: Unit, now: float) -> dict[str, Value]:
    """Everything the driver tells. A lost GPU tells nothing; what the exporter counted itself is still known."""
    lost = not unit.readable or any(code in LOST_AFTER for _, code in unit.xids)
    return {} if lost else readings(unit.gpu, now)


def _lines(shown: Page, unit: Unit, name: str, values: dict[str, Value], now: float) -> Iterator[str]:
    if name == XIDS:
        samples = _xid_counts(unit, now)
    elif name == CLOCK_EVENTS:
        samples = _clock_events(unit, now) if values else []
    elif name == _LAST_XID:
        samples = [_last_xid(shown.exporter, unit)]
    else:
        value = values.get(name.removeprefix("DCGM_FI_"))
        samples = [] if value is None else [({}, {}, value)]
    for labels, attributes, value in samples:
        number = f"{value:f}" if isinstance(value, float) else str(value)
        for who in _who(shown, unit, name):
            for job in unit.jobs or ("",):
                extra = {**attributes, **({"hpc_job": job} if job else {})}
                named = {**who, **_sorted({**_static(shown, unit), **labels}), **_sorted(extra)}
                yield name + "{" + ",".join(f'{key}="{text}"' for key, text in named.items()) + "} " + number


Sample = tuple[Labels, Labels, Value]


def _last_xid(exporter: Exporter, unit: Unit) -> Sample:
    codes = [code for at, code in unit.xids if at >= unit.fresh]
    code = codes[-1] if codes else 0
    text = (
        {"err_code": str(code), "err_msg": XID_TEXTS.get(code, "Unknown Error")} if exporter.xid_text else {}
    )
    return {}, text, code


def _xid_counts(unit: Unit, now: float) -> list[Sample]:
    window = {"window_size_in_ms": str(round(WINDOW * 1000))}
    recent = [code for at, code in unit.xids if at >= unit.fresh and now - WINDOW < at <= now]
    if not recent:
        return [(window, {}, 0)]
    return [({**window, "xid": str(code)}, {}, recent.count(code)) for code in sorted(set(recent))]


def _clock_events(unit: Unit, now: float) -> list[Sample]:
    window = {"window_size_in_ms": str(round(WINDOW * 1000))}
    since = max(now - WINDOW, unit.fresh)
    counts: dict[str, int] = {}
    for fault in unit.gpu.started("throttle", now):
        seen = _samples(fault, now, since)
        for reason in _reasons(fault.word("reason")) if seen else ():
            counts[reason] = counts.get(reason, 0) + seen
    if not counts:
        return [(window, {}, 0)]
    return [({**window, "clock_event": reason}, {}, count) for reason, count in sorted(counts.items())]


def _reasons(reason: str) -> tuple[str, ...]:
    hard = reason in {"hw_thermal", "hw_power_brake"}
    return tuple(name for name in REASONS if name == reason or (hard and name == "hw_slowdown"))


def _samples(fault: Fault, now: float, since: float) -> int:
    lasted = fault.lasted(now, since)
    return max(1, int(lasted / SAMPLING)) if lasted > 0 or fault.active(now) else 0


def _who(shown: Page, unit: Unit, name: str) -> Iterator[Labels]:
    """The labels of the GPU, or of each of its MIG instances: those a GPU with MIG is told by."""
    who, card = unit.gpu.identity, unit.gpu.card
    base = {"gpu": str(who.index), "UUID": who.uuid}
    if shown.exporter.bus_id:
        base["pci_bus_id"] = who.bus_id
    base |= {"device": f"nvidia{who.index}", "modelName": card.model}
    host = {shown.exporter.hostname: shown.node}
    if not unit.profiles:
        yield {**base, **host}
    elif name not in NOT_IN_MIG:
        for number, profile in enumerate(unit.profiles, 7):
            yield {**base, "GPU_I_PROFILE": profile, "GPU_I_ID": str(number), **host}


def _static(shown: Page, unit: Unit) -> Labels:
    known = {
        "DCGM_FI_DRIVER_VERSION": shown.driver,
        "DCGM_FI_NVML_VERSION": f"13.{shown.driver}",
        "DCGM_FI_DEV_SERIAL": unit.gpu.identity.serial,
        "DCGM_FI_DEV_VBIOS_VERSION": unit.gpu.card.vbios,
    }
    return {counter.name: known[counter.name] for counter in shown.counters if counter.type == LABEL}


def _sorted(labels: Labels) -> Labels:
    return dict(sorted(labels.items()))
