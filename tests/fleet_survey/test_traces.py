"""Known software by its traces; what a process calls itself is not believed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey import traces
from aami_hpc.fleet.survey.processes import processes
from aami_hpc.fleet.survey.software import known
from tests.fleet_survey.support import ANN, PROMETHEUS

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.traces import Found
    from tests.fleet_survey.support import Root

STATUS = """\
Package: prometheus-node-exporter
Status: install ok installed
Priority: optional
Architecture: amd64
Version: 1.5.0-1+b6
Description: Prometheus exporter for machine metrics

Package: grafana
Status: deinstall ok config-files
Version: 10.1

"""


def look(root: Root, texts: dict[str, str] | None = None) -> dict[str, Found]:
    world = root.world()
    found = traces.traces(world, known(), processes(world.tree).seen, texts or {})
    return {one.software.name: one for one in found}


def test_a_bare_machine_has_no_traces(root: Root) -> None:
    assert look(root) == {}


def test_the_program_file_is_the_proof(root: Root) -> None:
    root.process(812, "prometheus", "/usr/bin/prometheus", uid=PROMETHEUS)
    found = look(root)["Prometheus"]
    assert found.state == traces.RUNNING
    assert found.traces[0].what == "/usr/bin/prometheus runs (pid 812, user prometheus)"
    assert found.traces[0].source == "/proc/812/exe"


def test_a_name_alone_is_said_to_be_one(root: Root) -> None:
    root.process(812, "prometheus", uid=4711)
    found = look(root)["Prometheus"]
    assert found.state == traces.BY_NAME
    assert found.traces[0].what == "a process named prometheus (pid 812, uid 4711)"
    assert found.traces[0].source == "/proc/812/comm"


def test_a_process_that_only_calls_itself_so_is_not_that_software(root: Root) -> None:
    root.process(66, "prometheus", "/home/ann/a.out")
    found = look(root)["Prometheus"]
    assert found.state == traces.IMPOSTOR
    assert "calls itself prometheus but runs /home/ann/a.out" in found.traces[0].what


def test_a_script_is_known_by_name_because_its_program_is_an_interpreter(root: Root) -> None:
    root.process(70, "salt-minion", "/opt/saltstack/salt/bin/python3.10")
    assert look(root)["Salt"].state == traces.BY_NAME


def test_a_replaced_program_is_still_that_program(root: Root) -> None:
    root.process(71, "grafana", "/usr/share/grafana/bin/grafana (deleted)")
    assert look(root)["Grafana"].state == traces.RUNNING


def test_the_kernel_cuts_names(root: Root) -> None:
    root.process(72, "prometheus-aler")
    assert look(root)["Alertmanager"].state == traces.BY_NAME


def test_a_thousand_processes_of_one_name_are_one_line(root: Root) -> None:
    for pid in range(1000, 3000):
        root.process(pid, "prometheus")
    began = time.monotonic()
    found = look(root)["Prometheus"]
    assert "and 1997 more" in found.traces[0].what
    assert time.monotonic() - began < 10


def test_escape_sequences_in_names_stay_what_they_are(root: Root) -> None:
    root.process(80, "\x1b[2Jnode_exporter")
    root.process(81, "a) R 1 (\n")
    assert look(root) == {}


def test_units_packages_and_paths(root: Root) -> None:
    root.write("/usr/lib/systemd/system/prometheus-node-exporter.service", "[Unit]\n")
    root.folder("/etc/systemd/system/multi-user.target.wants")
    root.write("/etc/systemd/system/multi-user.target.wants/prometheus-node-exporter.service", "")
    root.write("/usr/lib/systemd/system/nvidia-dcgm.service", "[Unit]\n")
    root.write("/var/lib/dpkg/status", STATUS)
    root.write("/etc/nhc/nhc.conf", "* || check_hw_cpuinfo\n")
    found = look(root)
    exporter = [(trace.what, trace.source) for trace in found["node_exporter"].traces]
    assert exporter == [
        (
            "unit prometheus-node-exporter.service, enabled",
            "/usr/lib/systemd/system",
        ),
        ("package prometheus-node-exporter 1.5.0-1+b6", "/var/lib/dpkg/status"),
    ]
    assert found["DCGM host engine"].traces[0].what == "unit nvidia-dcgm.service, not enabled"
    assert (found["NHC"].traces[0].what, found["NHC"].traces[0].source) == ("nhc.conf exists", "/etc/nhc")
    assert "Grafana" not in found  # removed, only its configuration is left


def test_marks_in_files_tell_who_writes_them(root: Root) -> None:
    text = "# This file is Managed by Puppet, do not edit\nClusterName=a\n"
    found = look(root, {"/etc/slurm/slurm.conf": text})
    assert found["Puppet"].state == traces.IN_USE
    assert found["Puppet"].traces[0].source == "/etc/slurm/slurm.conf"


def test_hidden_processes_are_said_to_be_hidden(root: Root) -> None:
    root.remove("/proc/1")
    root.process(4000, "bash", "/usr/bin/bash")
    root.write("/proc/self/mounts", "proc /proc proc rw,nosuid,hidepid=invisible 0 0\n")
    gap = processes(root.world().tree).unknown[0]
    assert "hidepid=invisible" in gap.unknown


def test_no_proc_at_all_is_a_gap(root: Root) -> None:
    root.remove("/proc")
    found = processes(root.world().tree)
    assert found.seen == ()
    assert found.unknown[0].unknown == "not there"


def test_evidence_has_its_source_in_json(root: Root) -> None:
    root.process(812, "prometheus")
    shown = look(root)["Prometheus"].as_dict()
    assert shown["state"] == "by name"
    assert shown["source"] == "/proc/812/comm"
    assert shown["evidence"][0]["source"] == "/proc/812/comm"


def test_a_user_without_a_name_is_a_number(root: Root) -> None:
    assert root.world().user(ANN) == "user ann"
    assert root.world().user(4711) == "uid 4711"
