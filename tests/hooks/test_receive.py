"""The receiver on a node's disk: installs, switches, removes, and reads back, on the oldest Python and on ours."""

from __future__ import annotations

import fcntl
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from aami_hpc.hooks.look import Look, Stopped, drift
from tests.hooks.support import Machine, done, generation, interpreters, manifest, sources

if TYPE_CHECKING:
    from pathlib import Path


OURS, *OLD = interpreters()


@pytest.fixture(params=[OURS, *(pytest.param(path, marks=pytest.mark.slow, id="3.6") for path in OLD)])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root", request.param)


def test_a_bare_node_has_nothing(machine: Machine) -> None:
    found = machine.look()
    assert (found.generation, found.generations, found.damage) == (None, (), ())
    assert found.python == machine.python
    assert found.writable
    assert found.free > 0
    assert drift(found, "gpu-001") == ()


def test_a_generation_is_installed_compiled_and_in_force(machine: Machine, tmp_path: Path) -> None:
    made = generation(sources(tmp_path))
    (found,) = done([machine.install(made)])
    assert found == machine.look()
    assert (found.generation, found.content) == (made.name, made.content)
    assert found.compiled
    assert drift(found, "gpu-001") == ()
    assert (machine.library / "current").readlink().name == made.name
    assert machine.says() == "one"
    assert (machine.root / "etc/aami-hpc/node-name").read_bytes() == b"gpu-001\n"
    assert (machine.root / "etc/aami-hpc/node.json").samefile(machine.library / made.name / "node.json")
    assert (machine.library / "current/python").read_text() == machine.python + "\n"
    assert manifest(machine, made.name)["generation"] == made.name
    assert machine.leftovers() == []
    assert machine.order("look") == found


def test_modes_do_not_depend_on_the_umask(machine: Machine, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        done([machine.install(generation(sources(tmp_path)))])
    finally:
        os.umask(before)
    current = machine.library / "current"
    assert stat.S_IMODE((machine.root / "usr/libexec/aami-hpc/prolog").stat().st_mode) == 0o755
    assert stat.S_IMODE((machine.root / "usr/bin/aami-node").stat().st_mode) == 0o755
    assert stat.S_IMODE((current / "aami_slurm/says.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((current / "aami_slurm/__pycache__").stat().st_mode) == 0o755
    assert stat.S_IMODE((current / "node.json").stat().st_mode) == 0o644


def test_byte_code_is_used_and_survives_new_times(machine: Machine, tmp_path: Path) -> None:
    done([machine.install(generation(sources(tmp_path)))])
    for path in machine.library.rglob("*.py"):
        os.utime(path, (1, 1))
    found = machine.look()
    assert found.compiled is (machine.python == OURS)  # 3.6 has no byte code by content
    assert found.damage == ()


def test_the_previous_one_is_kept_and_older_ones_go(machine: Machine, tmp_path: Path) -> None:
    made = [generation(sources(tmp_path, f"v{number}"), number) for number in range(5)]
    found = done([machine.install(one, keep=3) for one in made])
    assert found[1].previous == (made[0].name,)
    assert found[4].previous == (made[3].name, made[2].name)
    assert machine.names() == [one.name for one in made[2:]]
    assert machine.says() == "v4"


def test_back_to_the_one_before_and_to_any(machine: Machine, tmp_path: Path) -> None:
    made = [generation(sources(tmp_path, f"v{number}"), number) for number in range(3)]
    done([machine.install(one) for one in made])
    (found,) = done([machine.order("switch", to=None)])
    assert (found.generation, found.previous) == (made[1].name, (made[0].name,))
    assert machine.says() == "v1"
    assert drift(found, "gpu-001") == ()  # its own launchers came with it
    done([machine.order("switch", to=None)])
    assert machine.says() == "v0"
    assert machine.order("switch", to=None) == Stopped(
        "find", "there is no generation to go back to", made[0].name
    )
    (found,) = done([machine.order("switch", to=made[2].name)])
    assert machine.says() == "v2"
    assert machine.order("switch", to=made[2].name) == found


def test_a_generation_that_was_never_in_force_is_nothing_to_go_back_to(
    machine: Machine, tmp_path: Path
) -> None:
    first, second, third = (generation(sources(tmp_path, f"v{number}"), number) for number in range(3))
    done([machine.install(first), machine.install(third)])
    # as a run that was killed just before the switch would leave it
    (machine.library / first.name).rename(machine.library / second.name)
    done([machine.install(first)])
    assert machine.look().previous == (third.name,)


def test_a_damaged_generation_is_not_gone_back_to(machine: Machine, tmp_path: Path) -> None:
    first, second = (generation(sources(tmp_path, f"v{number}"), number) for number in range(2))
    done([machine.install(first), machine.install(second)])
    (machine.library / first.name / "aami_slurm/says.py").write_text("import nothing\n")
    said = machine.order("switch", to=None)
    assert said == Stopped("check", f"{first.name} is damaged: aami_slurm/says.py was changed", second.name)
    assert machine.says() == "v1"


def test_a_generation_that_is_not_there_is_named_with_those_that_are(
    machine: Machine, tmp_path: Path
) -> None:
    made = generation(sources(tmp_path))
    done([machine.install(made)])
    said = machine.order("switch", to="20200101T000000Z-00000000")
    assert said == Stopped("find", f"20200101T000000Z-00000000 is not here; there are {made.name}", made.name)


def test_everything_that_was_changed_is_seen(machine: Machine, tmp_path: Path) -> None:
    made = generation(sources(tmp_path))
    done([machine.install(made)])
    current = machine.library / "current"
    (current / "aami_slurm/says.py").write_text('WORDS = "forged"\n')
    (current / "aami_slurm/data.json").unlink()
    (current / "aami_slurm/re.py").write_text("")
    (machine.root / "usr/libexec/aami-hpc/prolog").write_text("#!/bin/sh\nexit 1\n")
    (machine.root / "usr/libexec/aami-hpc/epilog").chmod(0o644)
    (machine.root / "usr/bin/aami-node").unlink()
    (machine.root / "etc/aami-hpc/node-name").write_text("gpu-002\n")
    (machine.root / "etc/aami-hpc/node.json").unlink()
    found = machine.look()
    assert found.damage == (
        "aami_slurm/data.json is missing",
        "aami_slurm/says.py was changed",
        "aami_slurm/re.py is not ours",
    )
    assert drift(found, "gpu-001") == (
        "the tree is damaged: aami_slurm/data.json is missing and 2 more",
        "prolog is not the generation's",
        "epilog is not the generation's",
        "aami-node is missing",
        "/etc/aami-hpc/node-name does not hold the node's name",
        "/etc/aami-hpc/node.json does not lead to the generation in force",
    )
    (again,) = done([machine.install(generation(sources(tmp_path), 1))])
    assert drift(again, "gpu-001") == ()


def test_byte_code_of_another_source_is_seen(machine: Machine, tmp_path: Path) -> None:
    done([machine.install(generation(sources(tmp_path)))])
    (old,) = (machine.library / "current/aami_slurm/__pycache__").glob("says.*")
    (other,) = (machine.library / "current/aami_slurm/__pycache__").glob("__init__.*")
    old.write_bytes(other.read_bytes())
    assert not machine.look().compiled


@pytest.mark.parametrize(
    ("check", "step", "words"),
    [
        ("def broken(:", "compile", "SyntaxError"),
        ("raise SystemExit('no settings')", "self-test", "the tree's own test ended with 1: no settings"),
        ("import nothing_like_that", "self-test", "nothing_like_that"),
        ("__import__('os').kill(__import__('os').getpid(), 9)", "self-test", "ended with -9"),
    ],
)
def test_a_tree_that_does_not_work_never_comes_into_force(
    machine: Machine, tmp_path: Path, check: str, step: str, words: str
) -> None:
    first, second = sources(tmp_path, "good"), sources(tmp_path, "bad", check=check)
    good = generation(first)
    done([machine.install(good)])
    said = machine.install(generation(second, 1))
    assert isinstance(said, Stopped)
    assert (said.step, said.generation) == (step, good.name)
    assert words in said.detail
    assert machine.says() == "good"
    assert machine.names() == [good.name]
    assert machine.leftovers() == []


def test_what_did_not_arrive_as_it_was_sent_is_refused(machine: Machine, tmp_path: Path) -> None:
    made = generation(sources(tmp_path))
    packed = made.packed()
    for broken in (b"", packed[:-1], packed[:100], packed[:50] + b"\0" + packed[51:], b"\0" * 100):
        said = machine.install(made, packed=broken)
        assert said == Stopped("unpack", "it is not what was sent: its checksum differs")
    assert machine.look().generations == ()
    assert machine.leftovers() == []


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize(
    "path", ["../evil", "/etc/evil", "aami_slurm/../../evil", "-rf", "a b", "a\nb", ".hidden", "a//b"]
)
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    from aami_hpc.hooks.tree import digest

    machine, made = Machine(tmp_path / "root"), generation(sources(tmp_path))
    packed = archive((tarfile.TarInfo(path), b"x"))
    words = {**machine.words_of(made, packed=packed), "digest": digest(packed)}
    said = machine.order("install", **words)
    assert said == Stopped(
        "unpack", "it holds a path that leads elsewhere, or something that is no plain file"
    )
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_an_archive_with_something_else_than_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    from aami_hpc.hooks.tree import digest

    machine, made = Machine(tmp_path / "root"), generation(sources(tmp_path))
    member = tarfile.TarInfo("run.py")
    member.type, member.linkname = kind, "/etc/passwd"
    packed = archive((member, b""))
    said = machine.order("install", **{**machine.words_of(made, packed=packed), "digest": digest(packed)})
    assert isinstance(said, Stopped)
    assert said.step == "unpack"
    assert machine.names() == []


def test_files_that_the_manifest_does_not_name_or_names_otherwise_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from aami_hpc.hooks.tree import digest

    machine, made = Machine(tmp_path / "root"), generation(sources(tmp_path))
    for files, words in (
        ({**made.files, "aami_slurm/os.py": b""}, "aami_slurm/os.py is not ours"),
        ({**made.files, "run.py": b""}, "run.py was changed"),
        ({path: data for path, data in made.files.items() if path != "run.py"}, "run.py is missing"),
        ({**made.files, "manifest.json": b"[]"}, "manifest.json can't be read"),
    ):
        packed = replace(made, files=files).packed()
        said = machine.order("install", **{**machine.words_of(made, packed=packed), "digest": digest(packed)})
        assert said == Stopped("unpack", words)


def test_two_changes_at_once_do_not_meet(tmp_path: Path) -> None:
    machine, made = Machine(tmp_path / "root"), generation(sources(tmp_path))
    with (machine.library / ".lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = machine.install(made)
    assert said == Stopped("lock", "another change is under way on this node")
    done([machine.install(made)])


def test_a_launcher_whose_place_is_taken_leaves_the_old_generation_in_force(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root")
    first, second = (generation(sources(tmp_path, f"v{number}"), number) for number in range(2))
    done([machine.install(first)])
    (machine.root / "usr/bin/aami-node").unlink()
    (machine.root / "usr/bin/aami-node").mkdir()
    said = machine.install(second)
    assert said == Stopped("switch", f"{machine.root}/usr/bin/aami-node is a folder", first.name)
    assert machine.says() == "v0"


def test_the_timer_comes_and_goes_with_the_setting(machine: Machine, tmp_path: Path) -> None:
    made = sources(tmp_path)
    units = machine.root / "etc/systemd/system"
    wants = units / "timers.target.wants/aami-health.timer"
    (found,) = done([machine.install(generation(made, 0, health="timer"))])
    assert found.units == {"aami-health.service": "same", "aami-health.timer": "same"}
    assert wants.samefile(units / "aami-health.timer")
    assert found.timer is None  # no systemd runs below a folder
    (units / "aami-health.timer").unlink()
    assert drift(machine.look(), "gpu-001") == ("aami-health.timer is missing",)
    done([machine.install(generation(made, 1, health="timer"))])
    (found,) = done([machine.install(generation(made, 2))])
    assert found.units == {"aami-health.service": "none", "aami-health.timer": "none"}
    assert list(units.rglob("aami-health*")) == []


def test_a_unit_of_that_name_that_is_not_ours_stays_and_stops_the_switch(tmp_path: Path) -> None:
    machine, made = Machine(tmp_path / "root"), sources(tmp_path)
    first = generation(made)
    done([machine.install(first)])
    unit = machine.root / "etc/systemd/system/aami-health.timer"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Timer]\n")
    said = machine.install(generation(made, 1, health="timer"))
    assert said == Stopped("switch", f"{unit} is not ours", first.name)
    assert unit.read_text() == "[Timer]\n"
    assert machine.says() == "one"


def test_remove_takes_all_but_what_was_recorded_and_what_is_the_site_s(
    machine: Machine, tmp_path: Path
) -> None:
    done([machine.install(generation(sources(tmp_path), 0, health="timer"))])
    journal = machine.root / "var/lib/aami-hpc/journal/1.jsonl"
    check = machine.root / "etc/aami-hpc/checks.d/site"
    for path in (journal, check):
        path.parent.mkdir(parents=True)
        path.write_text("x")
    (found,) = done([machine.order("remove")])
    assert found == Look(
        python=machine.python,
        version=found.version,
        uid=found.uid,
        launchers=dict.fromkeys(("prolog", "epilog", "health", "aami-node"), "none"),
        units=dict.fromkeys(("aami-health.service", "aami-health.timer"), "none"),
        free=found.free,
        writable=True,
    )
    left = {str(path.relative_to(machine.root)) for path in machine.root.rglob("*") if not path.is_dir()}
    assert left == {"var/lib/aami-hpc/journal/1.jsonl", "etc/aami-hpc/checks.d/site"}
    assert done([machine.order("remove")]) == [found]


def test_when_hooks_ran_last_is_told(machine: Machine) -> None:
    import json
    import time

    state = machine.root / "run/aami-hpc/state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"notes": {"hooks": {"prolog": {"seconds": 0.1, "time": time.time() - 60}}}}))
    assert 59 < machine.look().hooks["prolog"] < 120
    for broken in ("", "[]", "{}", '{"notes": {"hooks": []}}', '{"notes": {"hooks": {"prolog": 1}}}'):
        state.write_text(broken)
        assert machine.look().hooks == {}


def test_a_node_without_the_folder_is_told_where(tmp_path: Path) -> None:
    said = Machine(tmp_path / "root").order(
        "install", generation="x", upload="/nowhere", digest="", keep=3, root=str(tmp_path / "other")
    )
    where = f"{tmp_path}/other/usr/lib/aami-hpc/.lock"
    assert said == Stopped("lock", f"No such file or directory ({where})")
