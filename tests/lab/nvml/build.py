"""Compiles the fake libnvidia-ml.so.1 and nvidia-smi, once per version of their sources.

The result is a folder `<digest>/` with both, placed in one step; any process on the machine may use it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ledger import LabError, LabUnavailable

SOURCES = Path(__file__).parent / "src"
LIBRARY = ("state", "give", "session", "handles", "device", "memory", "links", "fields")
PROGRAM = ("smi", "smi_query", "smi_log", "smi_table")
_FLAGS = (
    "-std=c11", "-D_GNU_SOURCE", "-O1", "-fvisibility=hidden",
    "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion", "-Wvla",
    "-Wstrict-prototypes", "-Wmissing-prototypes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stub:
    """Where the built fakes are. `folder` holds both: put it on PATH and LD_LIBRARY_PATH."""

    folder: Path

    @property
    def library(self) -> Path:
        return self.folder / "libnvidia-ml.so.1"

    @property
    def program(self) -> Path:
        return self.folder / "nvidia-smi"

    def environ(self, state: Path) -> dict[str, str]:
        """What a process needs to meet these GPUs instead of none."""
        return {
            "AAMI_FAKE_GPU_STATE": str(state),
            "LD_LIBRARY_PATH": str(self.folder),
            "PATH": f"{self.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }

    def install(self, folder: Path) -> Stub:
        """A copy elsewhere: beside a state file `fake-gpu.state` it needs no environment at all."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("libnvidia-ml.so.1", "nvidia-smi"):
            shutil.copy2(self.folder / name, folder / name)
        return Stub(folder)


def build(cache: Path | None = None) -> Stub:
    """The fakes, compiled if this version of them has not been yet."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise LabUnavailable("gcc is not installed: the fake NVML library can't be compiled")
    cache = cache or _cache()
    folder = cache / _digest(compiler)
    if (folder / "nvidia-smi").is_file():
        return Stub(folder)
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as name:
        made = Path(name) / "made"
        made.mkdir(mode=0o755)
        _compile(compiler, "-fPIC", "-shared", "-Wl,-soname,libnvidia-ml.so.1", sources=LIBRARY,
                 libraries=("-ldl", "-lpthread"), target=made / "libnvidia-ml.so.1")  # fmt: skip
        _compile(compiler, "-fPIE", "-pie", "-Wl,-rpath,$ORIGIN", sources=PROGRAM,
                 libraries=("-ldl",), target=made / "nvidia-smi")  # fmt: skip
        if not folder.exists():
            _place(made, folder)
    return Stub(folder)


def _cache() -> Path:
    """A folder of our own that other users can read but not write."""
    folder = Path(os.environ.get("AAMI_LAB_CACHE", "/var/cache/aami-lab")) / "nvml"
    if os.geteuid() != 0 and not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir()) / f"aami-lab-nvml-{os.geteuid()}"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise LabError(f"{folder} belongs to somebody else")
    return folder


def _digest(compiler: str) -> str:
    seen = hashlib.sha256(repr((compiler, _FLAGS)).encode())
    for source in sorted(SOURCES.iterdir()):
        seen.update(source.read_bytes())
    return seen.hexdigest()[:16]


def _compile(
    compiler: str, *options: str, sources: tuple[str, ...], libraries: tuple[str, ...], target: Path
) -> None:
    files = [str(SOURCES / f"{name}.c") for name in sources]
    done = subprocess.run(
        [compiler, *_FLAGS, *options, *files, "-o", str(target), *libraries],
        capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"{target.name} does not compile:\n{done.stderr[-4000:]}")


def _place(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not (folder / "nvidia-smi").is_file():  # else another process was first
            raise
