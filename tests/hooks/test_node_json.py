"""node.json of configurations and clusters: as its schema has it, readable by the node, refused where it makes no sense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from aami_hpc.config import load
from aami_hpc.config.settings import Settings
from aami_hpc.errors import ConfigInvalid, SlurmUnreachable, UnknownNode
from aami_hpc.fleet.inventory import build as inventory_of
from aami_hpc.hooks import cluster, node_json
from aami_hpc.hooks.cluster import Cluster
from aami_hpc.model.node import Node
from aami_hpc.resources import share
from aami_hpc.testing import FakeRunner
from aami_slurm import settings as node_side
from aami_slurm.policy import resolve
from tests.slurm.commands import install

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = {
    name: json.loads((share() / "slurm/schema" / f"{name}.schema.json").read_text())
    for name in ("node", "policy")
}
OPEN = Cluster("alpha", private=False)
NODES = [Node(f"gpu-{number:03}", gpus=8) for number in range(1, 5)]


def configured(folder: Path, text: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text)
    return load(path, environ={"HOME": "/root"})


def made(settings: Settings, told: Cluster = OPEN, nodes: list[Node] = NODES) -> dict[str, Any]:
    document = node_json.build(settings, told, inventory_of(settings, nodes))
    jsonschema.validate(document, SCHEMAS["node"])
    jsonschema.validate(document["policy"], SCHEMAS["policy"])
    return document


def test_the_built_in_configuration_is_what_a_node_assumes_anyway() -> None:
    document = made(Settings())
    assert document["gres"] == [{"nodes": "gpu-[001-004]", "gpus": 8}]
    told, silent = node_side.of(document, "x"), node_side.of({"schema": "aami.node/1"}, "x")
    for name in (
        "kmsg", "textfile", "nvml", "nvidia_smi", "scontrol", "sinfo", "slurm_conf", "gres_order", "job_labels", "mounts",
    ):  # fmt: skip
        assert getattr(told, name) == getattr(silent, name), name


def test_the_built_in_policy_is_the_preset_standard() -> None:
    preset = yaml.safe_load((share() / "presets/policy/standard.yaml").read_text())
    assert made(Settings())["policy"] == preset


def test_every_setting_reaches_the_node(tmp_path: Path) -> None:
    settings = configured(
        tmp_path,
        "cluster: {name: beta}\n"
        "hooks:\n  kmsg: /run/kmsg\n  textfile: null\n  nvml: /opt/libnvidia-ml.so\n  nvidia_smi: /opt/nvidia-smi\n"
        "  gres_order: minor\n  job_labels: [partition, partition]\n"
        "  mounts: [{path: /home}, {path: /scratch, nodes: 'gpu-[001-002]'}]\n"
        "policy:\n  name: ours\n  mode: enforce\n  quiet_partitions: [latency]\n"
        "  rules: [{check: thermal, nodes: gpu-001, budget_s: 500ms, limits: {margin_c: 5}, snooze_until: 2099-01-01}]\n",
    )
    told = node_side.of(
        made(settings, Cluster("beta", "/opt/slurm.conf", "/opt/bin/scontrol", "/opt/bin/sinfo")), "x"
    )
    assert (told.cluster, told.slurm_conf, told.scontrol) == ("beta", "/opt/slurm.conf", "/opt/bin/scontrol")
    assert (told.kmsg, told.textfile, told.nvml) == ("/run/kmsg", None, "/opt/libnvidia-ml.so")
    assert (told.nvidia_smi, told.gres_order, told.job_labels) == ("/opt/nvidia-smi", "minor", ["partition"])
    assert told.mounts == [{"path": "/home"}, {"path": "/scratch", "nodes": "gpu-[001-002]"}]
    defaults = {"budget_s": 1.0, "effect": "allow-and-record", "limits": {"margin_c": 2}}
    rule = resolve(told.policy, "gpu-001", "thermal", defaults, 0.0)
    assert (rule.mode, rule.budget_s, rule.limits["margin_c"]) == ("enforce", 0.5, 5)
    assert rule.snoozed_until is not None
    assert resolve(told.policy, "gpu-002", "thermal", defaults, 0.0).budget_s == 1.0


def test_nodes_with_as_many_gpus_are_one_row() -> None:
    nodes = [*NODES, Node("cpu-1", gpus=0), Node("cpu-2", gpus=0), Node("big-1", gpus=16), Node("new-1")]
    assert made(Settings(), nodes=nodes)["gres"] == [
        {"nodes": "cpu-[1-2]", "gpus": 0},
        {"nodes": "gpu-[001-004]", "gpus": 8},
        {"nodes": "big-1", "gpus": 16},
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("policy: {rules: [{check: xid}, {check: xid, nodes: 'gpu-[001-005]'}]}", "policy.rules.1"),
        ("hooks: {mounts: [{path: /home, nodes: gpu-005}]}", "hooks.mounts.0"),
    ],
)
def test_a_range_with_a_node_nobody_knows_names_the_nearest(tmp_path: Path, text: str, key: str) -> None:
    settings = configured(tmp_path, text)
    with pytest.raises(UnknownNode) as refused:
        made(settings)
    assert refused.value.message == f"{tmp_path}/config.yaml:1 {key}: no node is called gpu-005"
    assert "gpu-00" in refused.value.hint
    node_json.build(settings, OPEN, None)  # nobody knows any node: nothing can be said against it


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{check: xidd, mode: enforce}", "rule 1: there is no check xidd"),
        ("{check: xid, budget_s: 1h}", "rule 1: budget_s"),
        ("{check: xid, limits: {fresh_s: soon}}", "rule 1: limits: fresh_s"),
    ],
)
def test_a_rule_that_a_node_could_not_follow_is_refused_here(tmp_path: Path, rule: str, words: str) -> None:
    settings = configured(tmp_path, f"policy:\n  rules:\n    - {rule}\n")
    with pytest.raises(ConfigInvalid) as refused:
        made(settings)
    assert refused.value.message.startswith(f"{tmp_path}/config.yaml:2 policy: {words}")


@pytest.mark.parametrize(
    ("private", "wanted", "labels"),
    [
        (False, None, ["user", "account", "partition"]),
        (True, None, ["partition"]),
        (None, None, ["partition"]),
        (True, ("user",), ["user"]),
        (False, (), []),
    ],
)
def test_what_metrics_tell_of_a_job(
    *, private: bool | None, wanted: tuple[str, ...] | None, labels: list[str]
) -> None:
    assert Cluster(private=private).labels(wanted) == labels


def ask(tmp_path: Path, told: str, **environ: str) -> Cluster:
    """The cluster whose `scontrol show config` prints this."""
    folder = install(tmp_path / "bin")
    settings = configured(tmp_path, f"slurm: {{bin_dir: {folder}}}\n")
    runner = FakeRunner()
    runner.answer(f"{folder}/scontrol", "ping", stdout="Slurmctld(primary) at head1 is UP\n")
    runner.answer(f"{folder}/scontrol", "show", "config", stdout=told)
    return cluster.ask(settings, runner, environ)


@pytest.mark.parametrize(
    ("flags", "private"),
    [("none", False), ("cloud,nodes", False), ("jobs", True), ("Accounts,Users", True), ("usage", True)],
)
def test_private_data_hides_whose_a_job_is(tmp_path: Path, flags: str, *, private: bool) -> None:
    told = ask(tmp_path, f"ClusterName             = scene\nPrivateData             = {flags}\n")
    assert (told.name, told.private) == ("scene", private)
    assert told.scontrol == f"{tmp_path}/bin/scontrol"


def test_programs_are_told_however_the_release_lists_them(tmp_path: Path) -> None:
    told = ask(
        tmp_path,
        "Prolog                  = (null)\nEpilog[0]               = /a\nEpilog[1]               = /b\n"
        "HealthCheckProgram      = /usr/sbin/nhc\nPrologFlags             = Alloc\nTaskProlog              = /c\n",
        SLURM_CONF="/opt/slurm.conf",
    )
    assert told.programs == {"Epilog": "/a,/b", "HealthCheckProgram": "/usr/sbin/nhc"}
    assert told.conf == "/opt/slurm.conf"


def test_a_silent_slurm_is_told_and_the_configuration_counts(tmp_path: Path) -> None:
    from tests.slurm.commands import install_silent

    settings = configured(
        tmp_path,
        f"cluster: {{name: alpha}}\nslurm: {{bin_dir: {install_silent(tmp_path / 'silent')}, conf: /opt/slurm.conf}}\n",
    )
    from aami_hpc.io.run import SystemRunner

    told = cluster.ask(settings, SystemRunner(), {})
    assert isinstance(told.silent, SlurmUnreachable)
    assert (told.name, told.conf, told.private) == ("alpha", "/opt/slurm.conf", None)
    assert told.scontrol == f"{tmp_path}/silent/scontrol"
