"""`aami-node`, as a person types it on a node and as the head calls it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.aami_slurm.tree import job_environment

if TYPE_CHECKING:
    from tests.aami_slurm.cards import Cards
    from tests.aami_slurm.fixtures import MakeNode


def ask(node: Cards, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node.node.root / "usr/bin/aami-node", *words],
        env={"AAMI_ROOT": str(node.node.root), **environ},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def answer(node: Cards, *words: str) -> Any:
    done = ask(node, *words, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


def job(node: Cards, number: int, gpus: str) -> None:
    node.node.run("prolog", job_environment(number, gpus))
    node.says(int(gpus[0]), 31, "pid=4242, name=py\x1bthon, Ch 00000008")
    node.node.run("epilog", job_environment(number, gpus, SLURM_JOB_EXIT_CODE2="1:0"))


def test_check_looks_and_writes_nothing(node: Cards) -> None:
    before = node.node.lines("journal"), node.node.lines("ledger"), node.node.metrics()
    done = ask(node, "check")
    assert "gpu-count" in done.stdout
    node.put(node.state.with_fault("row-remap-failure", gpu=5))
    failed = ask(node, "check")
    assert failed.returncode == 1
    [line] = [line for line in failed.stdout.splitlines() if "fail" in line]
    assert line.split()[:4] == ["row-remap-failure", "fail", "shadow", "5"]
    assert (node.node.lines("journal"), node.node.lines("ledger"), node.node.metrics()) == before


def test_explain_says_what_each_hook_may_do(make_node: MakeNode) -> None:
    policy = {
        "schema": "aami.policy/1",
        "rules": [{"check": "xid", "mode": "enforce", "why": "a month of shadow"}],
    }
    node = make_node(policy=policy)
    told = answer(node, "explain")
    leads = {(one["phase"], one["check"]): one["leads_to"] for one in told["checks"]}
    assert leads["prolog", "xid"] == "drain, and the job does not start"
    assert leads["health", "xid"] == "drain; running jobs end in peace"
    assert leads["health", "gpu-count"] == "is recorded, with what would have been done"
    assert "a month of shadow" in ask(node, "explain", "--phase", "prolog").stdout


def test_explain_xid_is_the_guide(node: Cards) -> None:
    done = ask(node, "explain", "xid", "79")
    assert "79" in done.stdout


def test_ledger_and_events_tell_of_a_job(node: Cards) -> None:
    job(node, 1001, "2,3")
    job(node, 1002, "4")
    [run] = answer(node, "ledger", "--job", "1001")["runs"]
    assert [gpu["uuid"] for gpu in run["gpus"]] == [node.uuid(2), node.uuid(3)]
    assert run["exit"]["raw"] == "1:0"
    assert answer(node, "ledger", "--open")["runs"] == []
    events = answer(node, "events", "--kind", "xid")["events"]
    assert [event["jobs"][0]["job_id"] for event in events] == [1001, 1002]
    assert len(answer(node, "events", "--gpu", node.uuid(4))["events"]) >= 1
    assert len(answer(node, "events", "-n", "1")["events"]) == 1
    assert answer(node, "events", "--since", "2099-01-01")["events"] == []
    shown = ask(node, "events").stdout
    assert "\x1b" not in shown
    assert "1001(gpu)" in shown


def test_inventory_names_the_gpu_that_is_gone(node: Cards) -> None:
    assert ask(node, "inventory").returncode == 0
    node.put(node.state.with_fault("removed", gpu=5))
    node.node.run("health")
    done = ask(node, "inventory")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if "last seen" in line]
    assert node.uuid(5) in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("words", [("events",), ("ledger",), ("doctor",), ("check",), ("serve",)])
def test_who_may_not_read_the_records_is_told_so_in_one_line(node: Cards, words: tuple[str, ...]) -> None:
    journal = node.node.root / "var/lib/aami-hpc/journal"
    for folder in (journal, *journal.parents):
        if folder.is_relative_to(node.node.root.parents[1]):
            folder.chmod(0o755)
    journal.chmod(0o700)
    (journal.parent / "ledger").chmod(0o700)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", node.node.root / "usr/bin/aami-node", *words],
        env={"AAMI_ROOT": str(node.node.root), "SSH_ORIGINAL_COMMAND": "status"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr.endswith(": Permission denied (root may read it)\n")
    assert len(done.stderr.splitlines()) == 1


def test_doctor_finds_what_is_missing(node: Cards) -> None:
    looks = {one["what"]: one for one in answer(node, "doctor")["looks"]}
    assert looks["code"]["state"] == "ok"
    assert looks["kernel log"]["state"] == "ok"
    assert looks["health ran"]["state"] == "ok"
    node.node.kmsg.unlink()
    (node.node.libexec / "prolog").unlink()
    done = ask(node, "doctor")
    assert done.returncode == 1
    problems = [line.split()[0] for line in done.stdout.splitlines() if " problem " in line]
    assert {"kernel", "prolog"} <= set(problems)


class TestServe:
    def lines(self, node: Cards, request: str) -> list[dict[str, Any]]:
        done = ask(node, "serve", SSH_ORIGINAL_COMMAND=request)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_events_behind_a_number_once_each(self, node: Cards) -> None:
        job(node, 1001, "2")
        *first, end = self.lines(node, "events - 0 2")
        assert end == {"end": True, "lines": 2}
        *rest, _ = self.lines(node, f"events - {first[-1]['seq']} 1000")
        assert [line["seq"] for line in first + rest] == list(range(1, len(first + rest) + 1))
        boot = first[0]["boot_id"]
        assert self.lines(node, f"events {boot} 0 1000")[:-1] == first + rest

    def test_status_ledger_inventory_boots(self, node: Cards) -> None:
        job(node, 1001, "2")
        [status, _] = self.lines(node, "status")
        assert (status["node"], status["journal_seq"]) == (
            "gpu-001",
            self.lines(node, "events - 0 999")[-2]["seq"],
        )
        assert any(line.get("job_id") == 1001 for line in self.lines(node, "ledger - 0 999"))
        assert len(self.lines(node, "inventory")[0]["gpus"]) == 8
        assert [line["boot_id"] for line in self.lines(node, "boots")[:-1]] == [status["boot_id"]]

    @pytest.mark.parametrize(
        "request_text",
        ["", "shell", "events", "events - 0", "events ../x 0 9", "events - -1 9", "status now", "rm -rf /", "events - 0 9 9",
         "events\n- 0 9; reboot", "inventory /etc", "x" * 5000],
    )  # fmt: skip
    def test_anything_else_is_refused(self, node: Cards, request_text: str) -> None:
        done = ask(node, "serve", SSH_ORIGINAL_COMMAND=request_text)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1

    def test_variables_of_who_logs_in_do_not_make_another_node(self, node: Cards) -> None:
        done = ask(node, "serve", SSH_ORIGINAL_COMMAND="status", SLURMD_NODENAME="gpu-999")
        assert json.loads(done.stdout.splitlines()[0])["node"] == "gpu-001"


def test_wrong_usage_is_2_and_help_has_examples(node: Cards) -> None:
    assert ask(node, "nothing").returncode == 2
    assert ask(node, "events", "-n", "0").returncode == 2
    assert ask(node, "events", "--since", "yesterday").returncode == 2
    assert "aami-node explain xid 79" in ask(node, "--help").stdout
    assert ask(node).returncode == 0
