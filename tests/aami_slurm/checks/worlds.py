"""A healthy node of eight GPUs as facts, and how a fixture changes it. Checks run through the real frame and policy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from aami_slurm import checks, frame, policy
from aami_slurm.facts import Facts
from aami_slurm.job import JobRun
from aami_xid import judge, parse

HERE = Path(__file__).resolve().parent
KINDS = ("positive", "negative", "garbage", "empty", "hang")
NOW, MONO_US = 1795000000.0, 900_000_000_000
BUS_IDS = [f"0000:{bus}:00" for bus in ("1b", "43", "52", "61", "9d", "c3", "d1", "df")]
UUIDS = [f"GPU-{index}a5e0000-0000-4000-8000-00000000000{index}" for index in range(8)]
CARD = {"model": "NVIDIA H100 80GB HBM3", "vbios": "96.00.89.00.01", "mig": None}
WELL: dict[str, Any] = {
    "trouble": None, "recovery_action": 0, "ecc_uncorrectable": 0, "ecc_mode": True,
    "remap": {"correctable": 0, "uncorrectable": 0, "pending": False, "failure": False},
    "links": [{"link": link, "active": True} for link in range(18)],
    "processes": [], "temperature": 41, "slowdown_limit": 87, "throttle": 1,
}  # fmt: skip


def card(index: int) -> dict[str, Any]:
    return {
        "uuid": UUIDS[index], "bus_id": BUS_IDS[index], "nvml_index": index, "minor": index,
        "serial": f"165412300000{index}", **copy.deepcopy(CARD),
    }  # fmt: skip


def healthy(phase: str = "health") -> Facts:
    facts = Facts("gpu-001", phase, NOW, MONO_US)
    facts.inventory = {
        "schema": "aami.inventory/1", "node": "gpu-001", "boot_id": "b", "generation": 1, "why": "boot",
        "made": "2026-11-18T00:00:00.000Z", "driver": "595.45.04", "source": "nvml",
        "gpus": [{**card(index), "slurm_index": index, "present": True} for index in range(8)],
    }  # fmt: skip
    facts.gpus = {
        "source": "nvml", "driver": "595.45.04", "mono_us": MONO_US + 40_000, "whole": True,
        "gpus": [{**card(index), **copy.deepcopy(WELL)} for index in range(8)],
    }  # fmt: skip
    facts.expected_gpus = 8
    facts.hang = {"verdict": None, "since_mono": None, "words": "no hang is known", "evidence": {}}
    there = {"present": True, "config": "de103023" + "0" * 120, "error": None}
    facts.pci = {bus_id: dict(there) for bus_id in BUS_IDS}
    facts.mounts = {"/home": {"mounted": True, "type": "nfs4", "options": ["rw"], "stat": "ok"}}
    disk = {
        "free": 50 << 30, "total": 100 << 30, "inodes_free": 900_000, "inodes": 1_000_000, "read_only": False,
        "why_read_only": None, "mount": "/", "type": "ext4", "options": ["rw"],
    }  # fmt: skip
    facts.disks = {path: dict(disk) for path in ("/", "/tmp", "/var")}
    running = {"active": "active", "enabled": True}
    facts.services = {unit: dict(running) for unit in ("munge.service", "slurmd.service")}
    facts.clock_sync = {"synced": True, "offset_s": 0.0002, "max_error_s": 0.02, "source": "kernel"}
    port = {"port": "1", "state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)"}
    facts.infiniband = [{"device": f"mlx5_{n}", **port, "link_layer": "InfiniBand"} for n in range(2)]
    return facts


def world(case: dict[str, Any]) -> Facts:
    """What a fixture says over the healthy node. Numbers of GPUs stand for their rows; null takes a row out."""
    facts = healthy(case.get("phase", "health"))
    assert facts.gpus is not None
    assert facts.inventory is not None
    for told, stock in (("gpus", facts.gpus), ("inventory", facts.inventory)):
        if told in case:
            stock["gpus"] = _rows(stock["gpus"], case[told])
    facts.gpus.update(case.get("reading", {}))
    if "job_gpus" in case:
        facts.job_gpus = frozenset(UUIDS[index] for index in case["job_gpus"])
        facts.job = JobRun({"SLURM_JOB_ID": "7", "SLURM_JOB_UID": "1001", "SLURM_JOB_USER": "alice"})
    for line in case.get("kernel", []):
        facts.kernel.append(event(seq=len(facts.kernel) + 1, **line))
    for name in ("pci", "mounts", "disks", "services"):
        for key, row in case.get(name, {}).items():
            key = BUS_IDS[key] if isinstance(key, int) else key  # noqa: PLW2901
            getattr(facts, name)[key] = {**getattr(facts, name).get(key, {}), **row}
    facts.neighbours = [
        {"uid": run["uid"], "gpus": [{"uuid": UUIDS[index]} for index in run.get("gpus", [])], **run.get("more", {})}
        for run in case.get("neighbours", [])
    ]  # fmt: skip
    for name, value in case.get("facts", {}).items():
        setattr(facts, name, value)
    facts.trouble.update(case.get("trouble", {}))
    return facts


def _rows(rows: list[dict[str, Any]], changes: dict[int, Any]) -> list[Any]:
    changed = [
        {**row, **changes[index]} if isinstance(changes.get(index), dict) else changes.get(index, row)
        for index, row in enumerate(rows)
    ]
    return [row for row in changed if row is not None]


def event(seq: int, line: str, ago_s: float = 5, facility: int = 0, **more: Any) -> dict[str, Any]:
    """A line of the kernel log as the journal has it: read by the real grammar, weighed, its GPU looked up."""
    told = parse(f"{facility * 8 + 4},{9000 + seq},{int(MONO_US - ago_s * 1e6)},-;{line}".encode())
    weight = judge.judge(told)
    known = told.bus_id in BUS_IDS
    index = BUS_IDS.index(told.bus_id) if told.bus_id and known else None
    return {
        **told.to_dict(), "seq": seq, "time": "2026-11-20T03:04:05.678Z",
        "gpu": index, "gpu_uuid": None if index is None else UUIDS[index],
        "action": weight and weight.action, "severity": weight and weight.severity,
        "family": weight and weight.family, **more,
    }  # fmt: skip


def found(check: str, facts: Facts, limits: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """What the frame gets out of a check on these facts, under the policy's limits."""
    module = checks.load(check)
    rules = [{"check": check, "limits": limits}] if limits else []
    told = {"schema": "aami.policy/1", "rules": rules}
    rule = policy.resolve(told, facts.node, check, module.DEFAULTS, NOW)
    return [finding.to_dict() for finding in frame._findings(module, facts, rule)]


def fixtures(check: str) -> dict[str, Any]:
    path = HERE / "fixtures" / f"{check}.yaml"
    told: dict[str, Any] = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
    return told
