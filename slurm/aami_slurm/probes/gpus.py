"""The reading of the GPUs: from the library, and from nvidia-smi where there is no such library."""

from aami_slurm.probes import nvml
from aami_slurm.probes._gpu_rows import NoDriver
from aami_slurm.probes._nvml_calls import NoLibrary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


def read(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """`ask` has `nvml` and `nvidia_smi`; `uuids` for some GPUs only, with `bus_ids` so that no other is touched.

    Raises NoDriver where neither can say anything.
    """
    uuids, proc = ask.get("uuids"), ask.get("proc", "/proc")
    try:
        return nvml.read(ask["nvml"], uuids, ask.get("bus_ids"), proc)
    except NoLibrary as no_library:
        from aami_slurm.probes import (
            nvidia_smi,  # late: what runs programs costs more to load than asking the library
        )

        try:
            return nvidia_smi.read(ask["nvidia_smi"], uuids, proc)
        except nvidia_smi.NoProgram as no_program:
            raise NoDriver("no NVIDIA driver here: %s; %s" % (no_library, no_program)) from None
