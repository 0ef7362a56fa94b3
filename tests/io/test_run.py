"""Running programs: how they end, what we keep of their output, and that no wait is without end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_hpc.io import run
from aami_hpc.io.run import Completed, SystemRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

LONG = 30.0  # nobody waits this long; a test that does has failed
SLACK = 8.0  # what a busy machine may add to a deadline of a fraction of a second


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def ends_soon(pid: int) -> bool:
    deadline = time.monotonic() + SLACK
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_output_error_and_status_are_kept_apart() -> None:
    done = SystemRunner().run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=LONG)
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert not any((done.ok, done.timed_out, done.missing, done.truncated))
    assert done.why == "sh ended with status 3: err"


def test_a_program_that_ends_well_is_ok() -> None:
    assert SystemRunner().run(["true"], timeout=LONG) == Completed(("true",), 0)


def test_arguments_reach_the_program_as_they_are() -> None:
    hostile = "$(touch x); `id` 'q' \"Q\" *\n\\"
    done = SystemRunner().run(["printf", "%s", hostile], timeout=LONG)
    assert done.stdout == hostile


def test_only_the_environment_we_give_is_there() -> None:
    done = SystemRunner().run(["/usr/bin/env"], timeout=LONG, env={"ONLY": "this"})
    assert done.stdout == "ONLY=this\n"


def test_nothing_can_be_read_from_standard_input() -> None:
    assert SystemRunner().run(["cat"], timeout=LONG) == Completed(("cat",), 0)


def test_bytes_that_are_no_text_do_not_stop_us() -> None:
    done = SystemRunner().run(["printf", "a\\377b"], timeout=LONG)
    assert done.stdout == "a\ufffdb"


@pytest.mark.parametrize("program", ["no-such-program-anywhere", "/etc", "/etc/passwd"])
def test_what_can_not_be_executed_is_missing(program: str) -> None:
    done = SystemRunner().run([program], timeout=LONG)
    assert done.missing
    assert done.status is None
    assert done.why == f"{program} was not found or can't be executed"


def test_a_signal_is_named() -> None:
    done = SystemRunner().run(["sh", "-c", "kill -9 $$"], timeout=LONG)
    assert done.status == -9
    assert done.why == "sh ended by signal 9"


def test_the_deadline_ends_the_program_and_its_children() -> None:
    began = time.monotonic()
    done = SystemRunner().run(["sh", "-c", "sleep 300 & echo $! $$; wait"], timeout=1.5)
    assert time.monotonic() - began < SLACK
    assert done.timed_out
    assert done.status is None
    assert done.why == "sh did not answer in time"
    child, shell = map(int, done.stdout.split())
    assert ends_soon(child)
    assert ends_soon(shell)


def test_a_program_that_ignores_sigterm_ends_all_the_same() -> None:
    done = SystemRunner().run(["sh", "-c", "trap '' TERM; echo $$; sleep 300"], timeout=1.5)
    assert done.timed_out
    assert ends_soon(int(done.stdout))


def test_a_program_that_closes_its_output_and_runs_on_meets_the_deadline() -> None:
    done = SystemRunner().run(["sh", "-c", "exec >&- 2>&-; sleep 300"], timeout=1.5)
    assert done.timed_out


def test_a_grandchild_with_our_pipe_does_not_hold_us_past_the_deadline() -> None:
    began = time.monotonic()
    done = SystemRunner().run(["sh", "-c", "sleep 300 & echo $!"], timeout=1.5)
    assert time.monotonic() - began < SLACK
    assert done.status == 0
    assert not done.timed_out
    assert ends_soon(int(done.stdout)), "what it left in its process group is ended, too"


def test_a_grandchild_in_a_session_of_its_own_does_not_hold_us_either() -> None:
    began = time.monotonic()
    daemon = "import os, time; print(os.getpid(), flush=True); os.setsid(); time.sleep(300)"
    done = SystemRunner().run([*python(f"import os\nif os.fork() == 0:\n {daemon}")], timeout=3)
    assert time.monotonic() - began < SLACK
    assert done.status == 0
    os.kill(int(done.stdout), signal.SIGKILL)


def test_output_up_to_the_limit_is_whole() -> None:
    done = SystemRunner().run(["head", "-c", "100000", "/dev/zero"], timeout=LONG, limit=100000)
    assert done.ok
    assert len(done.stdout) == 100000


def test_output_beyond_the_limit_is_cut_and_never_ok() -> None:
    done = SystemRunner().run(["head", "-c", "100001", "/dev/zero"], timeout=LONG, limit=100000)
    assert done.truncated
    assert not done.ok
    assert len(done.stdout) == 100000
    assert done.why == "head printed more than we are ready to read"


def test_a_program_that_never_stops_printing_is_ended_at_the_limit() -> None:
    began = time.monotonic()
    done = SystemRunner().run(["sh", "-c", "echo $$ >&2; exec yes"], timeout=LONG, limit=100000)
    assert time.monotonic() - began < SLACK
    assert done.truncated
    assert not done.timed_out
    assert ends_soon(int(done.stderr))


def test_much_on_both_pipes_does_not_block() -> None:
    code = "import os\nfor n in range(64): os.write(1, b'o' * 65536); os.write(2, b'e' * 65536)"
    done = SystemRunner().run(python(code), timeout=LONG)
    assert (len(done.stdout), len(done.stderr)) == (64 * 65536, 64 * 65536)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored, and this run may be one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_program(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    me = threading.get_ident()

    def interrupt_once_it_runs() -> None:
        deadline = time.monotonic() + SLACK
        while not pidfile.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        signal.pthread_kill(me, signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_runs)
    thread.start()
    script = 'echo $$ > "$1.part"; mv "$1.part" "$1"; sleep 300'
    with pytest.raises(KeyboardInterrupt):
        SystemRunner().run(["sh", "-c", script, "sh", str(pidfile)], timeout=LONG)
    thread.join()
    assert ends_soon(int(pidfile.read_text()))


def test_nothing_stays_open() -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths

    runner = SystemRunner()
    before = descriptors()
    runner.run(["true"], timeout=LONG)
    runner.run(["sleep", "300"], timeout=0.1)
    runner.run(["no-such-program-anywhere"], timeout=LONG)
    assert descriptors() == before
    assert not run._left_behind
