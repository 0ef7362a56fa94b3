"""`hooks`: what Slurm's prolog, epilog and health check find and use on the nodes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from aami_hpc.config.base import FilePath, Range, Section, Text

JobLabel = Literal["user", "account", "partition"]


class HookMount(Section):
    """A file system that has to be mounted, and that may not hang."""

    path: FilePath = Field(description="Where it is mounted on the node.")
    nodes: Range | None = Field(None, description="Nodes it is expected on. Not set: all.")


class HooksSection(Section):
    """What is written into every node's settings. Paths are those of the nodes."""

    python: FilePath | None = Field(
        None,
        description="Python 3.6 or newer on the nodes. Not set: /usr/libexec/platform-python, else /usr/bin/python3.",
    )
    kmsg: FilePath = Field(Path("/dev/kmsg"), description="Where the kernel's messages are read.")
    textfile: FilePath | None = Field(
        Path("/var/lib/prometheus/node-exporter"),
        description="Folder of node_exporter's textfile collector. `null`: no metrics are written.",
    )
    nvml: Text = Field("libnvidia-ml.so.1", description="NVIDIA's library, by name or path.")
    nvidia_smi: FilePath = Field(
        Path("/usr/bin/nvidia-smi"), description="Asked where the library can't be used."
    )
    gres_order: Literal["bus", "minor"] = Field(
        "bus",
        description="What Slurm's GPU index counts: `bus` with AutoDetect, `minor` with files in gres.conf.",
    )
    health: Literal["slurm", "timer"] = Field(
        "slurm",
        description="Who runs the health check: HealthCheckProgram, or a timer where that is another program.",
    )
    keep: Annotated[int, Field(strict=True, ge=2, le=100)] = Field(
        3, description="Generations kept on a node, the one in force among them."
    )
    job_labels: tuple[JobLabel, ...] | None = Field(
        None,
        description="Labels of a job in metrics. Not set: all; under PrivateData without user and account.",
    )
    mounts: tuple[HookMount, ...] = Field((), description="File systems that jobs need.")
