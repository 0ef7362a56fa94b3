"""`storage`: where the head node keeps its state."""

import os
from pathlib import Path

from pydantic import Field

from aami_hpc.config.base import FilePath, Section

SYSTEM_STATE = Path("/var/lib/aami-hpc")
USER_STATE = "~/.local/state/aami-hpc"


def _state_dir() -> Path:
    return SYSTEM_STATE if os.geteuid() == 0 else Path(os.path.expanduser(USER_STATE))  # noqa: PTH111


class StorageSection(Section):
    """Files that aami-hpc writes on the head node."""

    state_dir: FilePath = Field(
        default_factory=_state_dir,
        description=f"Folder of the head node's state. Not set: {SYSTEM_STATE} for root, {USER_STATE} for others.",
    )
