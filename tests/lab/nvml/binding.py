"""The fake library in this process, through the real Python binding nvidia-ml-py and through plain ctypes."""

from __future__ import annotations

import ctypes
import importlib
from typing import TYPE_CHECKING, Any

from tests.lab.ledger import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.nvml.build import Stub
    from tests.lab.nvml.gpus import FakeGpus


def load(stub: Stub) -> tuple[ctypes.CDLL, Any]:
    """The library, and the binding: it loads by the library's name, which is ours by now."""
    library = ctypes.CDLL(str(stub.library))
    try:
        return library, importlib.import_module("pynvml")
    except ImportError as error:
        raise LabUnavailable(
            "nvidia-ml-py is not installed: nothing holds the fake to the real binding"
        ) from error


class Session:
    """An initialised NVML over fake GPUs."""

    def __init__(self, library: ctypes.CDLL, nvml: Any, gpus: FakeGpus) -> None:
        self.library, self.nvml, self.gpus = library, nvml, gpus

    def handle(self, index: int = 0) -> Any:
        return self.nvml.nvmlDeviceGetHandleByIndex(index)

    def code(self, call: Callable[..., Any], *arguments: Any) -> int:
        """The error a call of the binding ends with; 0 if it does not."""
        try:
            call(*arguments)
        except self.nvml.NVMLError as error:
            return int(error.value)
        return 0

    def structure(self, name: str, version: str) -> Any:
        """One of the binding's structures, with its version filled in."""
        made = getattr(self.nvml, name)()
        made.version = getattr(self.nvml, version)
        return made
