"""A simulator of dcgm-exporter for many nodes in one process: real metric and label names, made-up GPUs.

    simulator = Simulator(nodes=200, faults=[Fault("xid", "gpu-017", 3, at=60)])
    print(simulator.render("gpu-017"))
    with simulator.serve(port=9400) as serving:
        serving.targets["gpu-017"]      # "127.0.0.1:9416"
        simulator.inject("gpu-001", 0, "heat", to=91)

Or `python -m aami_hpc.testing.dcgm --nodes 2 --port 9400`. Everything it says is labelled: `aami_simulated 1`.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.errors import AamiError, UsageFault
from aami_hpc.io.clock import Clock, SystemClock
from aami_hpc.testing.dcgm_cards import CARDS, DRIVER, identity
from aami_hpc.testing.dcgm_faults import ALL, EXPORTER, KINDS, Fault, read_timeline
from aami_hpc.testing.dcgm_fields import (
    ALL_COUNTERS,
    DEFAULT_COUNTERS,
    EXPORTERS,
    LATEST,
    Counter,
    read_counters,
)
from aami_hpc.testing.dcgm_model import BLANK_AFTER, Gpu
from aami_hpc.testing.dcgm_text import Page, Unit, page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aami_hpc.testing.dcgm_http import Serving

_SAFE = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job on one GPU, as a job-mapping folder of dcgm-exporter would tell it."""

    job: str
    node: str
    gpu: int
    start: float = 0.0
    end: float = float("inf")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node's exporter does with a request now."""

    body: str = ""
    status: int = 200
    delay: float = 0.0
    cut: bool = False


class Simulator:
    """Some nodes of equal GPUs, each with its own exporter."""

    def __init__(
        self,
        nodes: int | Sequence[str] = 1,
        *,
        gpus: int = 8,
        shape: str = "H100",
        clock: Clock | None = None,
        faults: Iterable[Fault] = (),
        counters: Sequence[Counter] = DEFAULT_COUNTERS,
        exporter: str = LATEST,
        jobs: Iterable[JobRun] = (),
        mig: Mapping[int, Sequence[str]] | None = None,
        driver: str = DRIVER,
    ) -> None:
        names = (
            tuple(f"gpu-{number:03d}" for number in range(1, nodes + 1))
            if isinstance(nodes, int)
            else tuple(nodes)
        )
        self._faults = tuple(faults)
        self._jobs = tuple(jobs)
        for word in (*names, driver, *(run.job for run in self._jobs)):
            if not _SAFE.fullmatch(
                word
            ):  # the exporter writes labels as they are: a quote would break the page
                raise UsageFault(
                    f"{word!r} can't be a label of the simulator", hint="Use letters, digits, . _ : -"
                )
        if shape not in CARDS or exporter not in EXPORTERS:
            known = ", ".join(CARDS if shape not in CARDS else EXPORTERS)
            raise UsageFault(
                f"The simulator has no '{shape if shape not in CARDS else exporter}'", hint=f"Known: {known}"
            )
        if not 0 < gpus <= len(CARDS[shape].buses):
            raise UsageFault(f"A node of this simulator has 1 to {len(CARDS[shape].buses)} GPUs, not {gpus}")
        self.nodes = names
        self._gpus, self._shape, self._counters, self._driver = gpus, shape, tuple(counters), driver
        self._exporter, self._mig = (
            EXPORTERS[exporter],
            {key: tuple(value) for key, value in (mig or {}).items()},
        )
        self._clock = clock or SystemClock()
        self._start = self._clock.monotonic()
        self._lock = threading.Lock()
        for fault in self._faults:
            self._check_place(fault)

    @property
    def now(self) -> float:
        """Seconds since the start, as faults count them."""
        return self._clock.monotonic() - self._start

    def inject(self, node: str, gpu: int | str | None, fault: str, **parameters: float | str) -> Fault:
        """Let a fault begin now; `gpu` is None for a fault of the node's exporter."""
        made = Fault(fault, node, ALL if gpu is None else gpu, self.now, parameters=parameters)
        self._check_place(made)
        with self._lock:
            self._faults = (*self._faults, made)
        return made

    def clear(self, node: str = ALL) -> None:
        """Let all faults end now. What they have counted stays counted."""
        now = self.now
        with self._lock:
            self._faults = tuple(
                replace(fault, until=max(now, fault.at + 1e-6))
                if _reaches(fault, node) and fault.active(now)
                else fault
                for fault in self._faults
            )

    def render(self, node: str) -> str:
        """The page of this node's exporter; empty of GPUs when it shows none."""
        return self.answer(node).body

    def answer(self, node: str) -> Answer:
        """What the node's exporter does with a request for /metrics now."""
        if node not in self.nodes:
            raise UsageFault(
                f"The simulator has no node '{node}'", hint=f"It has {self.nodes[0]} to {self.nodes[-1]}"
            )
        with self._lock:
            faults = self._faults
        now = self.now
        own = [fault for fault in faults if fault.meets(node, None)]
        active = {fault.kind: fault for fault in own if fault.active(now)}
        rebooting = [f for f in own if f.kind == "reboot" and f.at <= now < f.at + f.number("off")]
        if "down" in active or rebooting:
            return Answer(cut=True)
        delay = active["slow"].number("seconds") if "slow" in active else 0.0
        if "failing" in active:
            return Answer("internal server error\n", 500, delay)
        frozen = min((f.at for f in own if f.kind == "frozen" and f.active(now)), default=now)
        gpus = [] if "empty" in active else self._seen(node, faults, own, frozen)
        shown = Page(self._counters, self._exporter, node, self._driver, tuple(gpus))
        return Answer(page(shown, frozen), delay=delay)

    def serve(self, address: str = "127.0.0.1", port: int = 9400, *, spread: str = "ports") -> Serving:
        """Serve every node in a thread: on ports from `port` up, or on addresses from `address` up.

        Port 0 takes free ports. Use it as a context manager, or call its `close`.
        """
        from aami_hpc.testing.dcgm_http import Serving

        return Serving(self, address, port, spread)

    def _check_place(self, fault: Fault) -> None:
        if fault.node not in (ALL, *self.nodes):
            raise UsageFault(
                f"The fault '{fault.kind}' is on '{fault.node}', which the simulator does not have"
            )
        if fault.gpu != ALL and (KINDS[fault.kind].on == EXPORTER or fault.gpu not in range(self._gpus)):
            raise UsageFault(
                f"The fault '{fault.kind}' is on GPU {fault.gpu!r}, which the simulator does not have"
            )

    def _seen(self, node: str, faults: tuple[Fault, ...], own: list[Fault], now: float) -> list[Unit]:
        boot = max((fault.at for fault in own if fault.kind == "reboot" and fault.at <= now), default=0.0)
        fresh = max((fault.at for fault in own if fault.kind == "restart" and fault.at <= now), default=boot)
        gpus = [
            Gpu(
                identity(self._shape, node, index),
                CARDS[self._shape],
                tuple(fault for fault in faults if fault.meets(node, index)),
                boot,
            )
            for index in range(self._gpus)
        ]
        units = [self._unit(node, gpu, max(boot, fresh), now) for gpu in gpus]
        if any(code in BLANK_AFTER for unit in units for _, code in unit.xids):
            units = [replace(unit, readable=False) for unit in units]
        return [unit for unit in units if not unit.gpu.active("gone", now)]

    def _unit(self, node: str, gpu: Gpu, fresh: float, now: float) -> Unit:
        place = (node, gpu.identity.index)
        jobs = tuple(
            run.job for run in self._jobs if (run.node, run.gpu) == place and run.start <= now < run.end
        )
        xids = sorted((f.at, int(f.number("code"))) for f in gpu.started("xid", now) if f.at >= gpu.boot)
        return Unit(gpu, tuple(xids), fresh, jobs, self._mig.get(gpu.identity.index, ()))


def _reaches(fault: Fault, node: str) -> bool:
    return node == ALL or fault.node in (ALL, node)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        simulator = _simulator(given)
        serving = simulator.serve(given.address, given.port, spread=given.spread)
    except (AamiError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    with serving:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # before anybody can know that we are here
            signal.signal(number, lambda *_: stop.set())
        for node, target in serving.targets.items():
            print(f"simulated dcgm-exporter of {node}: http://{target}/metrics", flush=True)
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aami_hpc.testing.dcgm", description="Simulate dcgm-exporter."
    )
    add = parser.add_argument
    add(
        "--nodes",
        default="1",
        metavar="N|NAMES",
        help="how many nodes, or their names with commas (default 1)",
    )
    add("--gpus", type=int, default=8, help="GPUs of a node (default 8)")
    add("--shape", default="H100", help=f"the card: {', '.join(CARDS)} (default H100)")
    add("--address", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", type=int, default=9400, help="first port; 0 takes free ones (default 9400)")
    add("--spread", choices=("ports", "addresses"), default="ports", help="one port or one address per node")
    add("--faults", type=Path, metavar="FILE", help="a timeline of faults (YAML)")
    add("--counters", type=Path, metavar="FILE", help="a counters file as dcgm-exporter takes it")
    add("--all-counters", action="store_true", help="everything the simulator has")
    add(
        "--exporter",
        default=LATEST,
        help=f"the release to imitate: {', '.join(EXPORTERS)} (default {LATEST})",
    )
    return parser


def _simulator(given: argparse.Namespace) -> Simulator:
    counters: Sequence[Counter] = ALL_COUNTERS if given.all_counters else DEFAULT_COUNTERS
    if given.counters:
        counters = read_counters(given.counters.read_text(encoding="utf-8"))
    faults: tuple[Fault, ...] = ()
    if given.faults:
        import yaml

        try:
            entries = yaml.safe_load(given.faults.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise UsageFault(f"{given.faults} is not YAML", cause=str(error)) from error
        if not isinstance(entries, list):
            raise UsageFault(f"{given.faults} is not a list of faults")
        faults = read_timeline(entries)
    nodes: int | list[str] = int(given.nodes) if given.nodes.isdigit() else given.nodes.split(",")
    return Simulator(
        nodes, gpus=given.gpus, shape=given.shape, faults=faults, counters=counters, exporter=given.exporter
    )


if __name__ == "__main__":
    sys.exit(main())
