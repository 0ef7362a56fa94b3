"""What each Slurm release that the lab has met can do. A newer one runs as the newest known and is called unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What differs between releases, as far as the lab and its tests care."""

    release: str
    scontrol_json: bool = False
    cgroup_plugin: str = "disabled"  # one that starts whatever this machine's cgroups look like
    metrics: bool = False  # MetricsType=metrics/openmetrics


KNOWN = (
    Capabilities("22.05", cgroup_plugin="cgroup/v1"),
    Capabilities("24.11", scontrol_json=True),
    Capabilities("26.05", scontrol_json=True, metrics=True),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A version found at run time, and what it is taken for."""

    version: str
    capabilities: Capabilities
    verdict: str  # "known", "unknown newer" or "unknown older"


def judge(version: str) -> Judged:
    """Find the capabilities of a version such as `26.05.5`: its own, or those of its nearest older neighbour."""
    release = release_of(version)
    older = [known for known in KNOWN if known.release <= release]
    if not older:
        return Judged(version, KNOWN[0], "unknown older")
    return Judged(version, older[-1], "known" if older[-1].release == release else "unknown newer")


def release_of(version: str) -> str:
    """`slurm-wlm 22.05.8` is of 22.05."""
    match = re.search(r"(\d\d\.\d\d)(\.|-|\b)", version)
    if match is None:
        raise ValueError(f"{version!r} is no Slurm version")
    return match[1]
