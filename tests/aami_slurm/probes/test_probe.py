"""Probes: each kind of answer, deadlines, what a child gives up, and that nothing is left of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import child, probe, register
from aami_slurm.clock import Clock
from aami_slurm.probe import ANSWERED, FAILED, LATE, REFUSED, Answer, Probes
from tests.aami_slurm.probes.support import children, in_a_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_slurm.places import Places

BUDGET = 20.0


@pytest.fixture(autouse=True)
def _no_child_stays() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


def _run(places: Places, work: Any, ask: Any = None, budget: float = BUDGET) -> Answer:
    return Probes(places, Clock()).run("one", work, ask, budget)


@pytest.mark.parametrize("value", [None, 0, "ä\n\x00", [1, [2.5, {"a": None}]], "x" * 3_000_000])
def test_a_value_comes_back_as_it_was_given(places: Places, value: Any) -> None:
    answer = _run(places, lambda ask: {"told": ask}, value)
    assert (answer.kind, answer.value, answer.words) == (ANSWERED, {"told": value}, "")


def _slowly(ask: Any) -> Any:
    time.sleep(0.4)
    return ask


def test_probes_run_side_by_side(places: Places) -> None:
    probes = Probes(places, Clock())
    began = time.monotonic()
    for number in range(6):
        probes.start(f"p{number}", _slowly, number, BUDGET)
    answers = probes.gather(began + BUDGET)
    assert {key: answer.value for key, answer in answers.items()} == {f"p{n}": n for n in range(6)}
    assert time.monotonic() - began < 6 * 0.4
    assert all(0.4 <= answer.seconds < BUDGET for answer in answers.values())
    assert probes.gather(began) == {}


def test_one_that_is_late_ends_and_does_not_hold_up_the_others(places: Places) -> None:
    probes = Probes(places, Clock())
    began = time.monotonic()
    probes.start("slow", lambda _: time.sleep(60), None, 0.3)
    probes.start("quick", lambda _: "here", None, BUDGET)
    answers = probes.gather(began + BUDGET)
    assert (answers["slow"].kind, answers["quick"].value) == (LATE, "here")
    assert answers["slow"].unanswered
    assert answers["slow"].words.startswith("no answer in 0.")
    assert time.monotonic() - began < 3


def test_the_hooks_own_deadline_comes_before_a_probes(places: Places) -> None:
    probes = Probes(places, Clock())
    probes.start("slow", lambda _: time.sleep(60), None, 50.0)
    began = time.monotonic()
    assert probes.gather(began + 0.2)["slow"].kind == LATE
    assert time.monotonic() - began < 3


def test_one_that_ignores_every_signal_it_can_ends_too(places: Places) -> None:
    def stubborn(_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(1)

    assert _run(places, stubborn, budget=0.2).kind == LATE


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda _: _raise(ValueError("so\n\x1b[31mwhat")), "ValueError: so ?[31mwhat"),
        (lambda _: _raise(SystemExit(78)), "SystemExit: 78"),
        (lambda _: _raise(KeyboardInterrupt()), "KeyboardInterrupt:"),
        (lambda _: _raise(RuntimeError("x" * 5000)), "RuntimeError: " + "x" * 280),
        (lambda _: {1, 2}, "TypeError: set has no form in JSON"),
        (lambda _: os._exit(3), "ended without an answer, status 3"),
        (lambda _: os.kill(os.getpid(), signal.SIGSEGV), "ended without an answer, by signal 11"),
        (lambda _: "x" * (probe.LARGEST + 1), "its answer is larger than 4194304 bytes"),
    ],
)
def test_what_comes_back_without_an_answer_has_failed_and_says_how(
    places: Places, work: Any, words: str
) -> None:
    answer = _run(places, work)
    assert answer.kind == FAILED
    assert answer.words.startswith(words)
    assert len(answer.words) <= child.WORDS
    assert not answer.answered
    assert not answer.unanswered


def _open_files() -> dict[int, str]:
    """What each descriptor of this process leads to."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that this list is read through
            found[int(path.name)] = str(path.readlink())
    return found


def _say(raw: bytes) -> None:
    """Write to the way back, past the probe's own answer."""
    (back,) = [descriptor for descriptor, what in _open_files().items() if what.startswith("pipe:")]
    os.write(back, raw)
    os._exit(0)


@pytest.mark.parametrize(
    "raw", [b"\n", b"garbage\n", b"[]\n", b"{}\n", b"7\n", b"\xff\xfe\n", b'{"value": 1, "x": 2}\n']
)
def test_a_garbled_answer_is_a_failure(places: Places, raw: bytes) -> None:
    answer = _run(places, lambda _: _say(raw))
    assert answer.kind == FAILED
    assert answer.words.startswith("its answer is garbage")
    assert answer.words.isprintable()


def test_half_a_line_is_no_answer(places: Places) -> None:
    answer = _run(places, lambda _: _say(b'{"value": 1}'))
    assert (answer.kind, answer.words) == (FAILED, "ended without an answer, status 0")


def test_no_process_is_a_failure_in_words(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = len(_open_files())
    monkeypatch.setattr(os, "fork", none)
    answer = _run(places, lambda _: 1)
    assert (answer.kind, answer.words) == (FAILED, "no process for it: Resource temporarily unavailable")
    assert len(_open_files()) == before


def test_no_descriptor_is_a_failure_in_words(places: Places) -> None:
    def with_few() -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(_open_files()), most))
        taken = []
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            pass
        answer = _run(places, lambda _: 1)
        assert answer.words == "no process for it: Too many open files", answer

    assert in_a_process(with_few) == 0


def test_a_lock_of_the_hook_is_not_held_by_its_child(places: Places, tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    probes = Probes(places, Clock())
    probes.start("slow", lambda _: time.sleep(60), None, BUDGET)
    try:
        os.close(lock)
        again = os.open(tmp_path / "lock", os.O_RDWR)
        until = time.monotonic() + BUDGET
        while not _locked(again) and time.monotonic() < until:
            time.sleep(0.01)  # the child may not have come to close it yet
        assert _locked(again)
        os.close(again)
    finally:
        probes.gather(0.0)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_pipe_that_slurmd_waits_on_is_not_kept_open_by_a_child(places: Places) -> None:
    """A hook is over for slurmd when its output is closed, so nobody it leaves behind may hold it."""
    code = """
import os, sys, time
sys.path[:0] = sys.argv[2:4]
from aami_slurm.clock import Clock
from aami_slurm.places import Places
from aami_slurm.probe import Probes
Probes(Places(sys.argv[1]), Clock()).start("slow", lambda _: time.sleep(3), None, 1.0)
time.sleep(0.5)  # it has come to close what it inherited
print("done", flush=True)
os._exit(0)
"""
    began = time.monotonic()
    paths = [places.root, str(Path(probe.__file__).parents[1]), str(Path(probe.__file__).parents[2] / "xid")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    assert time.monotonic() - began < 2.5


def _seen(_: Any) -> dict[str, Any]:
    return {
        "session": os.getsid(0) == os.getpid(),
        "files": sorted(what.partition(":")[0] for what in _open_files().values()),
        "handlers": [
            number
            for number in range(1, signal.NSIG)
            if signal.getsignal(number) not in {signal.SIG_DFL, None}
        ],
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "cwd": str(Path.cwd()),
        "oom": Path("/proc/self/oom_score_adj").read_text(),
        "left": signal.getitimer(signal.ITIMER_REAL)[0],
    }


def test_a_child_gives_up_what_it_inherited(places: Places) -> None:
    def hook() -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 500)
        os.pipe()
        oom = "0\n" if os.geteuid() == 0 else Path("/proc/self/oom_score_adj").read_text()
        seen = _run(places, _seen, budget=30).value
        assert seen.pop("left") == pytest.approx(32, abs=3), "the kernel ends it if nobody else does"
        assert seen == {
            "session": True, "files": ["/dev/null"] * 3 + ["pipe"], "handlers": [], "blocked": [], "cwd": "/",
            "oom": oom,
        }  # fmt: skip
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 400
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()

    assert in_a_process(hook) == 0


def test_a_hook_without_standard_descriptors_gets_its_answer(places: Places) -> None:
    def hook() -> None:
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        assert _run(places, lambda ask: ask, 7).value == 7

    assert in_a_process(hook) == 0


def test_where_the_kernel_reaps_an_answer_is_still_one(places: Places) -> None:
    def hook() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert _run(places, lambda ask: ask, 7).value == 7
        assert _run(places, lambda _: time.sleep(60), budget=0.2).kind == LATE

    assert in_a_process(hook) == 0


def test_a_signal_to_the_hook_while_it_forks_runs_no_handler_in_the_child(
    places: Places, tmp_path: Path
) -> None:
    def hook() -> None:
        signal.signal(signal.SIGALRM, lambda *_: (tmp_path / f"handled-{os.getpid()}").touch())
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for _ in range(30):
            assert _run(places, lambda ask: ask, 7).value == 7
        (tmp_path / "hook").write_text(str(os.getpid()))

    assert in_a_process(hook) == 0
    assert [path.name for path in tmp_path.glob("handled-*")] == [
        f"handled-{(tmp_path / 'hook').read_text()}"
    ]


@pytest.mark.parametrize("ends", ["late", "raises", "answers"])
def test_a_program_that_a_child_started_is_taken_down_with_it(
    places: Places, tmp_path: Path, ends: str
) -> None:
    def work(_: Any) -> None:
        started = subprocess.Popen(["sleep", "100"])
        (tmp_path / "pid").write_text(str(started.pid))
        if ends == "late":
            started.wait()
        elif ends == "raises":
            raise RuntimeError

    answer = _run(places, work, budget=1.0)
    assert answer.kind == {"late": LATE, "raises": FAILED, "answers": ANSWERED}[ends]
    assert register.life("/proc", int((tmp_path / "pid").read_text())) is None


def test_a_child_whose_hook_was_killed_ends_by_itself(places: Places, tmp_path: Path) -> None:
    def work(_: Any) -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(60)

    def hook() -> None:
        probes = Probes(places, Clock())
        probes.start("slow", work, None, -1.5)
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_process(hook) == -signal.SIGKILL
    until = time.monotonic() + 10
    while register.life("/proc", int((tmp_path / "pid").read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert register.life("/proc", int((tmp_path / "pid").read_text())) is None


def test_none_is_started_while_an_earlier_one_lives(places: Places) -> None:
    stuck = subprocess.Popen(["sleep", "100"])
    try:
        now = time.monotonic()
        register.abandon(places, "one", stuck.pid, now - 70, now - 60)
        answer = _run(places, lambda _: 1)
        assert (answer.kind, answer.unanswered) == (REFUSED, True)
        assert (
            answer.words == f"not asked: process {stuck.pid} of an earlier probe can't be ended, for 70 s now"
        )
        assert Probes(places, Clock()).run("another", lambda _: 1, None, BUDGET).answered
    finally:
        stuck.kill()
        stuck.wait()
    assert _run(places, lambda _: 1).answered


def test_a_key_is_under_way_once(places: Places) -> None:
    probes = Probes(places, Clock())
    probes.start("one", lambda _: 1, None, BUDGET)
    with pytest.raises(ValueError, match="one is under way"):
        probes.start("one", lambda _: 1, None, BUDGET)
    assert probes.gather(time.monotonic() + BUDGET)["one"].answered
    probes.start("one", lambda _: 2, None, BUDGET)
    assert probes.gather(time.monotonic() + BUDGET)["one"].value == 2


def test_an_answer_is_had_where_nothing_can_be_remembered(places: Places) -> None:
    Path(places.run).write_text("no folder")
    answer = Probes(places, Clock()).run("gpus", lambda _: 1, None, BUDGET)
    assert (answer.kind, answer.value) == (ANSWERED, 1)
    assert answer.words == "this can't be remembered: Not a directory"
