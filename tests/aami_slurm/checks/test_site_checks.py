"""A site's own checks: which files root runs, what they get to know, what they say, and that none holds a hook up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_slurm import policy, site_checks
from aami_slurm.clock import Clock
from aami_slurm.finding import Finding
from aami_slurm.places import Places
from aami_slurm.probe import Answer, Probes
from aami_slurm.text import plain

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="files that belong to root need root")


class Site:
    """A node's tree with a folder of checks; `add` writes one."""

    def __init__(self, root: Path) -> None:
        self.places = Places(str(root))
        self.folder = Path(self.places.site_checks)
        self.folder.mkdir(parents=True)
        for folder in (self.folder, *self.folder.relative_to(root).parents):
            (root / folder).chmod(0o755)

    def add(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def ask(self, path: Path, **more: Any) -> dict[str, Any]:
        return {"path": str(path), "root": self.places.root, "node": "gpu-001", "phase": "health", **more}

    def run(self, text: str, **more: Any) -> dict[str, Any]:
        return site_checks.run(self.ask(self.add("one", text), **more))

    def refused(self) -> str:
        accepted, refused = site_checks.find(self.places)
        assert accepted == []
        return refused[0][1]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@as_root
def test_files_are_found_by_name_and_hidden_ones_left_alone(site: Site) -> None:
    paths = [str(site.add(name, "#!/bin/sh\n")) for name in ("b.sh", "A Check.py", ".swp")]
    assert site_checks.find(site.places) == ([("site-a-check", paths[1]), ("site-b", paths[0])], [])


def test_no_folder_means_no_checks_of_the_sites_own(tmp_path: Path) -> None:
    assert site_checks.find(Places(str(tmp_path))) == ([], [])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("fan.sh", "site-fan"), ("Fan Speed", "site-fan-speed"), ("..", "site-check"), ("a\nb\x1b[m", "site-a-b--m"),
        ("x" * 99, "site-" + "x" * 40), ("ü", "site-check"),
    ],
)  # fmt: skip
def test_a_name_is_a_name_whatever_the_files_own(file: str, name: str) -> None:
    assert site_checks.name_of("/etc/aami-hpc/checks.d/" + file) == name


@as_root
def test_of_two_files_with_one_name_the_first_runs(site: Site) -> None:
    first, second = site.add("fan.py", "#!/bin/sh\n"), site.add("fan.sh", "#!/bin/sh\n")
    accepted, refused = site_checks.find(site.places)
    assert accepted == [("site-fan", str(first))]
    assert refused == [(str(second), "another file has the name site-fan, too")]


@as_root
def test_a_refused_file_does_not_speak_under_the_name_of_one_that_runs(site: Site) -> None:
    modes = {"fan!.sh": 0o755, "fan.py": 0o644, "fan.sh": 0o755, "fan?.sh": 0o755, "lone.sh": 0o644}
    for file, mode in modes.items():
        site.add(file, "#!/bin/sh\n", mode)
    accepted, refused = site_checks.find(site.places)
    names = [site_checks.refusal(path, why).check for path, why in refused]
    assert [name for name, _ in accepted] == ["site-fan"]
    assert names == ["site-fan.2", "site-fan.3", "site-fan.4", "site-lone"]
    assert names == [site_checks.refusal(path, why).check for path, why in refused], "at every look"
    rule = {"check": "site-fan.2", "mode": "off"}
    assert policy.problems({"schema": policy.SCHEMA, "rules": [rule]}) == [], "a name that a rule can have"
    path = site.add("fan!.sh", "#!/bin/sh\n", 0o777)
    assert site_checks.run(site.ask(path))["check"] == "site-fan", "swapped since it was found"


@as_root
@pytest.mark.parametrize(
    ("mode", "why"),
    [(0o775, "others than root can write"), (0o757, "others than root can write"), (0o644, "not executable")],
)
def test_a_file_that_others_can_write_to_or_that_is_no_program_is_refused(
    site: Site, mode: int, why: str
) -> None:
    site.add("one", "#!/bin/sh\n", mode)
    assert why in site.refused()


@as_root
def test_a_file_of_another_user_is_refused(site: Site) -> None:
    os.chown(site.add("one", "#!/bin/sh\n"), 12345, 0)
    assert "does not belong to root" in site.refused()


@as_root
@pytest.mark.parametrize("folder", ["etc/aami-hpc/checks.d", "etc/aami-hpc", "etc", "."])
def test_a_folder_above_that_others_can_write_to_is_refused_at_every_height(site: Site, folder: str) -> None:
    site.add("one", "#!/bin/sh\n")
    place = Path(site.places.root) / folder
    place.chmod(0o777)
    assert "others than root can write" in site.refused()
    place.chmod(
        0o1777
    )  # others can't rename there what is root's, but they can add: not a place for root's programs
    assert "others than root can write" in site.refused()
    place.chmod(0o755)
    os.chown(place, 12345, -1)
    assert "does not belong to root" in site.refused()


@as_root
def test_links_are_not_followed(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("#!/bin/sh\n")
    elsewhere.chmod(0o755)
    (site.folder / "one").symlink_to(elsewhere)
    assert "is no file (links aren't followed)" in site.refused()
    (site.folder / "one").unlink()
    site.add("one", "#!/bin/sh\n")
    moved = site.folder.with_name("real")
    site.folder.rename(moved)
    site.folder.symlink_to(moved)
    assert "is no folder (links aren't followed)" in site.refused()


@as_root
def test_a_folder_or_a_pipe_is_no_check(site: Site) -> None:
    (site.folder / "one").mkdir()
    os.mkfifo(site.folder / "two", 0o755)
    accepted, refused = site_checks.find(site.places)
    assert accepted == []
    assert [why.split(" is ")[1] for _, why in refused] == ["no file (links aren't followed)"] * 2


@as_root
def test_what_was_swapped_since_it_was_found_does_not_run(site: Site, tmp_path: Path) -> None:
    path = site.add("one", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    assert site_checks.find(site.places)[0] == [("site-one", str(path))]
    path.chmod(0o777)
    told = site_checks.run(site.ask(path))
    assert (told["outcome"], told["code"]) == ("config", "refused")
    path.unlink()
    assert site_checks.run(site.ask(path))["outcome"] == "config"
    assert not (tmp_path / "ran").exists()


@as_root
def test_a_check_says_json(site: Site) -> None:
    told = site.run(
        """#!/bin/sh
        echo '{"outcome": "fail", "summary": "GPU 3 is slow", "code": "Slow GPU", "gpu_uuid": "GPU-1", "action": "service"}'
        """
    )
    assert {key: told[key] for key in ("check", "outcome", "summary", "code", "gpu_uuid", "action")} == {
        "check": "site-one", "outcome": "fail", "summary": "GPU 3 is slow", "code": "slow-gpu",
        "gpu_uuid": "GPU-1", "action": "service",
    }  # fmt: skip
    evidence = told["evidence"]
    assert evidence["source"] == "site"
    assert abs(evidence["mono_us"] - time.monotonic() * 1e6) < 60e6
    assert evidence["time"].endswith("Z")
    assert "GPU 3 is slow" in evidence["raw"]


@as_root
@pytest.mark.parametrize(
    ("status", "outcome"), [(0, "pass"), (1, "warn"), (2, "fail"), (3, "error"), (4, "error")]
)
def test_a_check_ends_with_a_status_of_nagios(site: Site, status: int, outcome: str) -> None:
    told = site.run(f"#!/bin/sh\necho 'DISK - 3% free | free=3%;5;1'\necho more\nexit {status}\n")
    assert told["outcome"] == outcome
    assert told["summary"].endswith("DISK - 3% free")
    assert told["code"] == "one"


@as_root
@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nif then\n",  # a shell ends with 2 for what it can't read: not Nagios' 2
        "#!/usr/bin/python3\nraise SystemError\n",  # Python with 1
        "#!/no/such/interpreter\n",
        "no program at all",
        "#!/bin/sh\nkill -9 $$\n",
        "#!/bin/sh\nexit 2\n",
    ],
)
def test_a_broken_check_is_an_error_and_no_fault(site: Site, text: str) -> None:
    assert site.run(text)["outcome"] == "error"


@as_root
def test_what_a_broken_check_complained_about_is_told(site: Site) -> None:
    told = site.run("#!/bin/sh\necho first >&2\necho cannot find the tool >&2\nexit 1\n")
    assert told["summary"] == "it ended with status 1 and said: cannot find the tool"


@as_root
def test_a_check_knows_what_it_is_told_and_nothing_else(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_NOT", "x")
    monkeypatch.setenv("SLURM_JOB_COMMENT", "$(reboot)")
    gpus = ["GPU-1", "GPU-2"]
    path = site.add("two", "#!/bin/sh\n/usr/bin/env -0 | /usr/bin/tr '\\0' ' '\n")
    told = site_checks.run(site.ask(path, phase="epilog", job_id=7, uid=1001, gpu_uuids=gpus))
    seen = dict(part.split("=", 1) for part in told["summary"].split())
    ours = {key: value for key, value in seen.items() if key not in {"PWD", "_", "SHLVL", "OLDPWD"}}
    assert ours == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "AAMI_NODE": "gpu-001", "AAMI_PHASE": "epilog",
        "AAMI_JOB_ID": "7", "AAMI_UID": "1001", "AAMI_GPU_UUIDS": "GPU-1,GPU-2",
    }  # fmt: skip


@as_root
def test_no_job_is_an_empty_value(site: Site) -> None:
    told = site.run('#!/bin/sh\necho "[$AAMI_JOB_ID][$AAMI_UID][$AAMI_GPU_UUIDS][$(cat)][$(pwd)]"\n')
    assert told["summary"] == "[][][][][/]"


@as_root
def test_a_flood_is_cut_and_does_not_stop_the_check(site: Site) -> None:
    told = site.run("#!/bin/sh\necho first line\nhead -c 3000000 /dev/zero | tr '\\0' x\nexit 1\n")
    assert (told["outcome"], told["summary"]) == ("warn", "first line")
    assert len(told["evidence"]["raw"]) <= 400
    told = site.run(
        '#!/bin/sh\nprintf \'{"outcome": "pass", "summary": "\'\nhead -c 30000 /dev/zero | tr \'\\0\' x\necho \'"}\'\n'
    )
    assert told["outcome"] == "error"


@as_root
def test_a_child_that_is_left_running_does_not_hold_the_check_up(site: Site) -> None:
    began = time.monotonic()
    told = site.run("#!/bin/sh\nsleep 20 &\necho $!\nexit 0\n")
    assert told["outcome"] == "pass"
    assert time.monotonic() - began < 10
    os.kill(int(told["summary"]), 9)


@as_root
@pytest.mark.slow
def test_a_check_that_hangs_ends_with_its_probe(site: Site, tmp_path: Path) -> None:
    path = site.add(
        "one", f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 60 &\necho $! >> {tmp_path}/pid\nwait\n"
    )
    answer = Probes(site.places, Clock()).run("site:one", site_checks.run, site.ask(path), 1.0)
    found = site_checks.finding("site-one", answer)
    assert (found.outcome, found.check, found.code) == ("error", "site-one", "no-answer")
    pids = [int(line) for line in (tmp_path / "pid").read_text().split()]
    assert len(pids) == 2
    assert [pid for pid in pids if _runs(pid)] == []


def _runs(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@as_root
def test_the_finding_comes_back_through_a_probe(site: Site) -> None:
    path = site.add("one", "#!/bin/sh\necho all well\n")
    answer = Probes(site.places, Clock()).run("site:one", site_checks.run, site.ask(path), 5.0)
    found = site_checks.finding("site-one", answer)
    assert (found.outcome, found.check, found.summary) == ("pass", "site-one", "all well")


def test_a_refusal_is_a_matter_of_configuration() -> None:
    found = site_checks.refusal("/etc/aami-hpc/checks.d/x.sh", "others than root can write to it")
    assert (found.check, found.outcome) == ("site-x", "config")
    assert found.summary == "not run: others than root can write to it"


@pytest.mark.parametrize(
    "told",
    [
        {"outcome": "drain", "summary": "x"}, {"outcome": "error", "summary": "x"}, {"summary": "x"}, {"outcome": "fail"},
        {"outcome": "fail", "summary": ""}, {"outcome": "fail", "summary": 1}, {"outcome": ["fail"], "summary": "x"},
        {"outcome": "fail", "summary": "x", "gpu_uuid": 3}, {"outcome": "fail", "summary": "x", "action": "explode"},
        {"outcome": "fail", "summary": "x", "code": None},
    ],
)  # fmt: skip
def test_json_that_breaks_the_contract_is_an_error(told: dict[str, Any]) -> None:
    assert site_checks.read(0, json.dumps(told).encode()).outcome == "error"


def test_json_and_a_status_that_contradict_each_other_are_an_error() -> None:
    assert site_checks.read(2, b'{"outcome": "pass", "summary": "x"}').outcome == "error"


@settings(max_examples=200, deadline=None)
@given(status=st.integers(-64, 255), out=st.binary(max_size=200), err=st.binary(max_size=50))
def test_whatever_is_said_makes_one_line_of_plain_text(status: int, out: bytes, err: bytes) -> None:
    found = site_checks.read(status, out, err)
    assert isinstance(found, Finding)
    assert found.summary == plain(found.summary, 400)
    assert found.outcome != "fail" or status in {0, 2}


def test_a_probe_without_an_answer_is_an_error() -> None:
    found = site_checks.finding("site-x", Answer("stuck", words="no answer in 5.0 s"))
    assert (found.outcome, found.summary) == ("error", "no answer in 5.0 s")
