"""The register: who is alive, how the driver answered, the verdict for hooks that may not ask; and garbage."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aami_slurm import register
from aami_slurm.probe import ANSWERED, FAILED, LATE, REFUSED, STUCK, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_slurm.places import Places
    from tests.aami_slurm.probes.support import SetClock

GPUS = register.GPUS
YES = Answer(ANSWERED, {"bytes": {}})


@pytest.fixture
def stuck() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for one that SIGKILL did not end."""
    process = subprocess.Popen(["sleep", "100"])
    yield process
    process.kill()
    process.wait()


def _folder(places: Places) -> Path:
    return Path(places.run) / "probes"


def _hung(places: Places, clock: SetClock, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """A driver that health has just found hung."""
    register.look(places, clock, Answer(ANSWERED, {}), None, None)
    register.abandon(places, GPUS, process.pid, clock.mono(), clock.mono() + 36)
    clock.ahead += 40
    first = register.look(places, clock, Answer(STUCK, words="no answer"), YES, None)
    assert first["verdict"] == "probe-stuck"
    clock.ahead += 60
    return register.look(places, clock, Answer(REFUSED), YES, None)


def test_a_process_is_known_by_its_number_and_its_start(stuck: subprocess.Popen[bytes]) -> None:
    life = register.life("/proc", stuck.pid)
    assert life is not None
    assert register.lives("/proc", stuck.pid, life.started)
    assert not register.lives("/proc", stuck.pid, life.started - 1)
    stuck.kill()
    until = time.monotonic() + 10
    while register.life("/proc", stuck.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert register.life("/proc", stuck.pid) is None, "a zombie is not alive"


@pytest.mark.parametrize("stat", [b"", b"1 (x", b"1 (x) S", b"1 (x) S a b c" + b" y" * 30, b"\xff" * 5000])
def test_a_process_that_can_not_be_read_is_not_alive(tmp_path: Path, stat: bytes) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/stat").write_bytes(stat)
    assert register.life(str(tmp_path), 1) is None


def test_a_name_with_a_parenthesis_does_not_shift_the_words(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    words = "S 1 1 55 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"
    (tmp_path / "1/stat").write_text(f"1 (a) R 9 9 9 (b) {words}")
    life = register.life(str(tmp_path), 1)
    assert life is not None
    assert (life.state, life.session, life.started) == ("S", 55, 4711)


def test_the_oldest_that_lives_is_told_and_the_dead_are_forgotten(
    places: Places, stuck: subprocess.Popen[bytes]
) -> None:
    dead = subprocess.Popen(["sleep", "100"])
    register.abandon(places, "mount:/scratch", dead.pid, 1.0, 2.0)
    register.abandon(places, "mount:/scratch", stuck.pid, 3.0, 4.0)
    register.abandon(places, GPUS, stuck.pid, 5.0, 6.0)
    told = register.alive(places, GPUS)
    assert told is not None
    assert (told["key"], told["pid"], told["spawned"], told["killed"]) == (GPUS, stuck.pid, 5.0, 6.0)
    dead.kill()
    dead.wait()
    assert register.alive(places, "mount:/scratch") is None, "one process, one key: the later one"
    assert len(list(_folder(places).iterdir())) == 1
    register.abandon(places, GPUS, dead.pid, 1.0, 2.0)
    assert len(list(_folder(places).iterdir())) == 1


def test_another_boots_files_say_nothing(
    places: Places, stuck: subprocess.Popen[bytes], clock: SetClock
) -> None:
    assert _hung(places, clock, stuck)["verdict"] == "driver-hung"
    for path in _folder(places).iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "boot_id": "another"}))
    assert register.hang_fact(places, clock)["verdict"] is None
    assert register.alive(places, GPUS) is None
    assert register.look(places, clock, Answer(STUCK), YES, None)["verdict"] is None


def test_the_prolog_reads_what_health_found(
    places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]
) -> None:
    assert register.hang_fact(places, clock) == {
        "verdict": None, "since_mono": None, "words": "no hang is known", "evidence": {},
    }  # fmt: skip
    told = _hung(places, clock, stuck)
    assert told["verdict"] == "driver-hung"
    assert told["evidence"]["pid"] == stuck.pid
    assert told["evidence"]["control"] == ANSWERED
    clock.ahead += 500
    read = register.hang_fact(places, clock)
    assert {**read, "evidence": None} == {**told, "evidence": None}
    assert read["evidence"]["mono_us"] == pytest.approx(clock.mono() * 1e6, abs=2e6), "it was looked at now"


def test_a_hang_ends_with_the_process_that_showed_it(
    places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]
) -> None:
    _hung(places, clock, stuck)
    stuck.kill()
    stuck.wait()
    assert register.hang_fact(places, clock)["verdict"] is None
    assert register.look(places, clock, Answer(LATE), YES, None)["verdict"] == "probe-stuck"


def test_a_hang_ends_with_an_answer(places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]) -> None:
    _hung(places, clock, stuck)
    assert register.look(places, clock, Answer(ANSWERED, {}), None, None)["verdict"] is None
    assert register.hang_fact(places, clock)["verdict"] is None
    assert not (_folder(places) / "hang.json").exists()


def test_a_hang_is_not_told_while_we_are_at_work_on_the_driver(
    places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]
) -> None:
    _hung(places, clock, stuck)
    folder = Path(places.run) / "busy"
    folder.mkdir()
    me = register.life("/proc", os.getpid())
    assert me is not None
    (folder / "reset").write_text(
        json.dumps({"what": "reset of GPU 3", "pid": os.getpid(), "started": me.started})
    )
    told = register.hang_fact(places, clock)
    assert told["verdict"] is None
    assert told["words"] == f"not judged: reset of GPU 3 is under way (process {os.getpid()})"


def test_an_answer_of_any_hook_counts_between_two_looks(
    places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]
) -> None:
    register.note(places, GPUS, clock.mono())
    clock.ahead += 30
    assert register.look(places, clock, Answer(LATE), YES, None)["verdict"] is None
    clock.ahead += 30
    register.note(places, GPUS, clock.mono())
    clock.ahead += 40
    register.abandon(places, GPUS, stuck.pid, clock.mono(), clock.mono())
    assert register.look(places, clock, Answer(STUCK), YES, None)["verdict"] == "probe-stuck"


def test_only_the_drivers_answers_are_kept(places: Places) -> None:
    register.note(places, "mount:/scratch", 1.0)
    assert not _folder(places).exists()


def test_a_control_that_failed_is_no_answer(
    places: Places, clock: SetClock, stuck: subprocess.Popen[bytes]
) -> None:
    _hung(places, clock, stuck)
    for control in (None, Answer(LATE), Answer(FAILED), Answer(STUCK), Answer(REFUSED)):
        assert register.look(places, clock, Answer(REFUSED), control, None)["verdict"] == "probe-stuck"
    assert (
        register.look(places, clock, Answer(REFUSED), YES, "dcgmi diag is running")["verdict"]
        == "probe-stuck"
    )


def test_a_verdict_is_had_where_nothing_can_be_written(places: Places, clock: SetClock) -> None:
    Path(places.run).write_text("no folder")
    told = register.look(places, clock, Answer(LATE), YES, None)
    assert told["verdict"] is None
    assert told["words"].endswith("; this can't be remembered: Not a directory")
    assert register.hang_fact(places, clock)["verdict"] is None
    assert register.alive(places, GPUS) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "boot_id",
        "key",
        "pid",
        "started",
        "spawned",
        "killed",
        "verdict",
        "evidence",
        "answered",
        "unanswered",
        "busy",
    ]
)
_TELLING = st.sampled_from(["driver-hung", "probe-stuck", GPUS, 1, os.getpid(), 0.5, [1.0, 2.0], {"pid": 1}])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=60)
    | st.dictionaries(_KEYS, _JSON | _TELLING).map(lambda told: json.dumps(told).encode()),
    ours=st.booleans(),
)
def test_garbage_is_read_as_nothing(places: Places, clock: SetClock, content: bytes, *, ours: bool) -> None:
    if ours and content[:1] == b"{":
        told = json.loads(content) if _is_json(content) else None
        if isinstance(told, dict):
            content = json.dumps({**told, "boot_id": places.boot_id()}).encode()
    folder = _folder(places)
    folder.mkdir(exist_ok=True, parents=True)
    for name in ("hang.json", "history.json", "stuck.1.1.json", "stuck.", "other"):
        (folder / name).write_bytes(content)
    assert register.hang_fact(places, clock)["verdict"] in {None, "probe-stuck"}
    register.alive(places, GPUS)
    (folder / "history.json").write_bytes(content)
    assert set(register.look(places, clock, Answer(LATE), YES, None)) == {
        "verdict",
        "since_mono",
        "words",
        "evidence",
    }


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
