"""The fake GPUs met by other processes: hanging, frozen, slow, without an environment, from Python 3.6, misconfigured."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import copytree, which
from typing import TYPE_CHECKING

import pytest

from tests.lab.faults import frozen_file_system, wait_for_state
from tests.lab.ledger import LabError
from tests.lab.nvml import build as builder
from tests.lab.nvml import shapes
from tests.lab.require import lab, unavailable

if TYPE_CHECKING:
    from tests.lab.gpu_fixtures import MakeGpus
    from tests.lab.ledger import Ledger
    from tests.lab.nvml.build import Stub

pytestmark = pytest.mark.slow

_PATIENCE = 20.0
READER = r"""
import ctypes, json, sys
nvml = ctypes.CDLL("libnvidia-ml.so.1")
handle, number, text = ctypes.c_void_p(), ctypes.c_uint(), ctypes.create_string_buffer(96)
said = {"init": nvml.nvmlInit_v2()}
print("initialised", flush=True)
said["count"] = (nvml.nvmlDeviceGetCount_v2(ctypes.byref(number)), number.value)
said["handle"] = nvml.nvmlDeviceGetHandleByIndex_v2(int(sys.argv[1]), ctypes.byref(handle))
print("handle", flush=True)
said["uuid"] = (nvml.nvmlDeviceGetUUID(handle, text, 96), text.value.decode())
said["temperature"] = (nvml.nvmlDeviceGetTemperature(handle, 0, ctypes.byref(number)), number.value)
print(json.dumps(said), flush=True)
"""


def _reader(gpu: int) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", READER, str(gpu)]


def _outlasts(seconds: float, *processes: subprocess.Popen[str]) -> list[str]:
    """What processes printed that are all still there after so long; then they are killed."""
    try:
        time.sleep(seconds)
        assert [process.poll() for process in processes] == [None] * len(processes)
    finally:
        for process in processes:
            process.kill()
        printed = [process.communicate(timeout=_PATIENCE)[0] for process in processes]
    return printed


def test_a_call_that_never_returns(gpu_state: MakeGpus) -> None:
    healthy = shapes.h100()
    driver = gpu_state(healthy.with_fault("hang"), name="driver")
    handle = gpu_state(healthy.with_fault("hang", gpu=2), name="handle")
    calls = gpu_state(healthy.with_fault("hang-in-calls", gpu=2), name="calls")
    printed = _outlasts(2, *(gpus.start(_reader(2)) for gpus in (driver, handle, calls)))
    assert printed == ["", "initialised\n", "initialised\nhandle\n"]
    assert handle.run(_reader(3)).returncode == calls.run(_reader(3)).returncode == 0  # its neighbours answer


def test_nvidia_smi_waits_with_the_driver(gpu_state: MakeGpus) -> None:
    nodes = [
        gpu_state(shapes.h100().with_fault(fault, gpu=2), name=fault) for fault in ("hang", "cold-start")
    ]
    assert _outlasts(1, *(gpus.start([str(gpus.stub.program), "-L"]) for gpus in nodes)) == ["", ""]
    assert [gpus.smi("-L", "-i", "1").returncode for gpus in nodes] == [0, 0]


@pytest.mark.lab
def test_a_driver_on_a_frozen_file_system_sleeps_in_the_kernel(
    gpu_state: MakeGpus, lab_ledger: Ledger
) -> None:
    with lab(), frozen_file_system(lab_ledger) as system:
        gpus = gpu_state(shapes.h100().change(2, frozen_path=str(system.path / "nvidia2")))
        process = gpus.start(_reader(2))
        try:
            assert process.stdout
            assert process.stdout.readline() == "initialised\n"  # any disk it slept on before is behind it
            wait_for_state(process.pid, "D")
            process.send_signal(signal.SIGKILL)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            assert gpus.run(_reader(1)).returncode == 0
        finally:
            system.thaw()
            process.communicate(timeout=_PATIENCE)
        assert process.returncode == -signal.SIGKILL
        assert gpus.run(_reader(2)).returncode == 0  # thawed, the driver answers again


def test_slow_initialisation(gpu_state: MakeGpus) -> None:
    gpus = gpu_state(replace(shapes.h100(), init_ms=300))
    started = time.monotonic()
    assert gpus.run(_reader(0)).returncode == 0
    assert time.monotonic() - started >= 0.3


def test_python_36_reads_the_same(gpu_state: MakeGpus) -> None:
    python = _python36()
    gpus = gpu_state(shapes.b200())
    done = gpus.run([python, "-I", "-S", "-c", READER, "5"])
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {
        "init": 0, "count": [0, 8], "handle": 0, "uuid": [0, gpus.state.gpus[5].uuid], "temperature": [0, 32],
    }  # fmt: skip


def _python36() -> str:
    found = [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6"))]
    working = [
        python
        for python in (*found, which("python3.6"))
        if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
    if not working:
        unavailable("no Python 3.6: the node side's interpreter can't be tried on the fake NVML")
    return working[0]


def test_a_state_beside_the_library_needs_no_environment(nvml_stub: Stub, tmp_path: Path) -> None:
    stub = nvml_stub.install(tmp_path / "lib")
    shapes.a100(3).write(stub.folder / "fake-gpu.state")
    done = subprocess.run([stub.program, "-L"], env={}, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 3
    (stub.folder / "fake-gpu.state").unlink()
    assert subprocess.run([stub.program, "-L"], env={}, capture_output=True, check=False).returncode == 9


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ":1: not a state file"),
        ("aami-fake-gpus 1\ntemprature 4\n", ":2: unknown key of a node"),
        ("aami-fake-gpus 1\ngpu\ntemperature hot\n", ":3: not a number"),
        ("aami-fake-gpus 1\ngpu\ntemperature 4", ":3: line too long or torn"),
        ("aami-fake-gpus 1\ngpu\nnvlink 1 2\n", ":3: nvlink wants"),
    ],
)
def test_a_state_the_fake_does_not_understand_stops_it(
    gpu_state: MakeGpus, text: str, complaint: str
) -> None:
    gpus = gpu_state()
    gpus.path.write_text(text)
    done = gpus.smi()
    assert done.returncode == -signal.SIGABRT
    assert complaint in done.stderr


def test_it_is_compiled_once_per_version_of_its_sources(
    nvml_stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = nvml_stub.library.stat()
    assert builder.build() == nvml_stub
    assert nvml_stub.library.stat() == before
    copytree(builder.SOURCES, tmp_path / "src")
    monkeypatch.setattr(builder, "SOURCES", tmp_path / "src")
    with (tmp_path / "src" / "give.c").open("a") as source:
        source.write("int unused(void) { int warned; }\n")
    with pytest.raises(LabError, match=r"libnvidia-ml\.so\.1 does not compile(?s:.*)warned"):
        builder.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]
