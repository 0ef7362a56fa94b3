"""The control probe: reads library and program from the first byte to the last, and never the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm.clock import Clock
from aami_slurm.probe import FAILED, Probes
from aami_slurm.probes import control
from tests.lab.nvml.shapes import h100

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver


def test_both_files_are_read_whole(places: Places, make_driver: MakeDriver) -> None:
    driver = make_driver()
    answer = driver.control(places, 20.0, Clock())
    assert answer.value == {
        "bytes": {str(path): path.stat().st_size for path in (driver.stub.library, driver.stub.program)}
    }


def test_a_driver_that_hangs_from_its_first_call_on_does_not_hold_it_up(
    places: Places, make_driver: MakeDriver
) -> None:
    driver = make_driver(replace(h100(), init="hang"))
    assert driver.control(places, 20.0, Clock()).answered


def test_a_library_by_its_name_is_found_where_loading_finds_it(places: Places) -> None:
    ask = {"nvml": "libz.so.1", "nvidia_smi": "/usr/bin/aami-none"}
    answer = Probes(places, Clock()).run("control", control.read, ask, 20.0)
    if answer.kind == FAILED:
        pytest.skip("no libz.so.1 here")
    ((path, size),) = answer.value["bytes"].items()
    assert Path(path).name.startswith("libz.so")
    assert size == Path(path).stat().st_size


def test_a_node_without_either_is_told(places: Places) -> None:
    ask = {"nvml": "libaami-none.so.1", "nvidia_smi": "/usr/bin/aami-none"}
    answer = Probes(places, Clock()).run("control", control.read, ask, 20.0)
    assert answer.words == "NothingToRead: neither libaami-none.so.1 nor /usr/bin/aami-none can be read"
