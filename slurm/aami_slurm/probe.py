"""Runs what may hang in children of its own: each is answered in time, or ended, or left behind and remembered.

This is the hook's side. What the child does with itself is in `child`.
"""

import os
import select
import time

from aami_slurm import child, fast_json, register
from aami_slurm.signals import signal
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from aami_slurm.clock import Clock
    from aami_slurm.places import Places

ANSWERED = "answered"
LATE = "late"  # no answer in time; ended
STUCK = "stuck"  # no answer in time, and SIGKILL did not end it; registered
FAILED = "failed"  # came back without an answer: raised, died, could not be started
REFUSED = "refused"  # not started: an earlier one still lives
LARGEST = 4 << 20  # bytes of an answer
_PIECE = 1 << 16
_ORPHAN = 2.0  # seconds that a child outlives its budget where the hook was killed and nobody else ends it
_GENTLE = 10  # pauses in which a child that has said all may go by itself
_PAUSES = [0.001] * _GENTLE + [0.005] * 18  # 100 ms in all


class Answer:
    """What became of one probe. `value` of an answered one, `words` for the others, `seconds` it took."""

    __slots__ = ("kind", "seconds", "value", "words")

    def __init__(self, kind: "str", value: "Any" = None, words: "str" = "", seconds: "float" = 0.0) -> "None":
        self.kind = kind
        self.value = value
        self.words = words
        self.seconds = seconds

    @property
    def answered(self) -> "bool":
        return self.kind == ANSWERED

    @property
    def unanswered(self) -> "bool":
        """Asked, and silent. One that failed is neither: it came back."""
        return self.kind in (LATE, STUCK, REFUSED)

    def __repr__(self) -> "str":
        return "<Answer %s %s %.3f s>" % (self.kind, self.words or repr(self.value)[:80], self.seconds)


class Probes:
    """Probes side by side: `start` them, then `gather` the answers of all."""

    def __init__(self, places: "Places", clock: "Clock") -> "None":
        self._places = places
        self._clock = clock
        self._under_way: "List[_Probe]" = []
        self._refused: "Dict[str, Answer]" = {}
        self._zombies: "List[int]" = []

    def start(self, key: "str", work: "Callable[[Any], Any]", ask: "Any", budget_s: "float") -> "None":
        """Let a child do `work(ask)` for at most so many seconds. The value has to have a form in JSON."""
        if key in self._refused or any(probe.key == key for probe in self._under_way):
            raise ValueError("probe %s is under way" % key)
        living = register.alive(self._places, key)
        now = self._clock.mono()
        if living is not None:
            words = "not asked: process %d of an earlier probe can't be ended, for %d s now"
            self._refused[key] = Answer(REFUSED, words=words % (living["pid"], now - living["spawned"]))
            return
        try:
            pid, reader = child.fork(work, ask, budget_s + _ORPHAN)
        except OSError as error:
            self._refused[key] = Answer(FAILED, words="no process for it: %s" % error.strerror)
            return
        self._under_way.append(_Probe(key, pid, reader, now, now + budget_s))

    def gather(self, until_mono: "float") -> "Dict[str, Answer]":
        """Every answer, at the latest a tenth of a second after this time of the clock."""
        poller = select.poll()
        waiting = {probe.reader: probe for probe in self._under_way}
        for probe in waiting.values():
            probe.until = min(probe.until, until_mono)
            poller.register(probe.reader, select.POLLIN)
        while waiting:
            wait = min(probe.until for probe in waiting.values()) - self._clock.mono()
            for reader, _ in poller.poll(max(0, int(wait * 1000) + 1)):
                waiting[reader].read(self._clock.mono())
            now = self._clock.mono()
            for probe in [probe for probe in waiting.values() if probe.is_over(now)]:
                poller.unregister(probe.reader)
                del waiting[probe.reader]
        self._end()
        answers, self._refused = self._refused, {}
        for probe in self._under_way:
            answers[probe.key] = self._told(probe)
        self._under_way = []
        return answers

    def run(self, key: "str", work: "Callable[[Any], Any]", ask: "Any", budget_s: "float") -> "Answer":
        """One probe by itself."""
        alone = Probes(self._places, self._clock)
        alone.start(key, work, ask, budget_s)
        answer = alone.gather(self._clock.mono() + budget_s)[key]
        self._zombies += alone._zombies
        return answer

    def _end(self) -> "None":
        """Nobody stays, neither a zombie nor a program that a child started. Who can't be ended is registered."""
        self._zombies = [pid for pid in self._zombies if not _reap(pid)]
        living = self._under_way
        for turn, pause in enumerate(_PAUSES):
            living = [probe for probe in living if not probe.is_gone(gently=turn < _GENTLE)]
            if not living:
                break
            time.sleep(pause)
        for probe in living:
            self._zombies.append(probe.pid)
            self._abandon(probe)
        for probe in self._under_way:
            os.close(probe.reader)

    def _abandon(self, probe: "_Probe") -> "None":
        probe.stuck = probe.survivors(self._places.proc)
        try:
            for pid in probe.stuck:
                register.abandon(self._places, probe.key, pid, probe.began, self._clock.mono())
        except OSError as error:
            probe.unregistered = "; it can't be registered: %s" % error.strerror

    def _told(self, probe: "_Probe") -> "Answer":
        answer = probe.told(self._clock.mono())
        if answer.answered:
            try:
                register.note(self._places, probe.key, self._clock.mono())
            except OSError as error:
                answer.words = "this can't be remembered: %s" % error.strerror
        return answer


class _Probe:
    """One child, as the hook sees it."""

    def __init__(self, key: "str", pid: "int", reader: "int", began: "float", until: "float") -> "None":
        self.key = key
        self.pid = pid
        self.reader = reader
        self.began = began
        self.until = until
        self.stuck: "List[int]" = []
        self.unregistered = ""
        self._answer: "Optional[Answer]" = None
        self._said: "List[bytes]" = []
        self._size = 0
        self._reaped = False
        self._status = ""

    def read(self, now: "float") -> "None":
        """Take what is there. The end of the line ends the answer: the child itself may take longer to go."""
        piece = os.read(self.reader, _PIECE)
        self._said.append(piece)
        self._size += len(piece)
        if self._size > LARGEST:
            self._answer = Answer(FAILED, words="its answer is larger than %d bytes" % LARGEST)
        elif piece.endswith(b"\n"):
            self._answer = _parsed(b"".join(self._said))
        elif not piece:
            self._answer = Answer(FAILED)  # how it ended is known when it is reaped
        if self._answer is not None:
            self._answer.seconds = now - self.began

    def is_over(self, now: "float") -> "bool":
        return self._answer is not None or now >= self.until

    def is_gone(self, *, gently: "bool") -> "bool":
        """Reaped, and nobody of its session left. Kills it, unless it has said all and may go by itself."""
        if not self._reaped:
            if self._answer is None or self._size > LARGEST or not gently:
                self._kill()
            if not self._has_ended():
                return False
        try:
            os.killpg(self.pid, 0)
        except OSError:
            return True
        return False

    def survivors(self, proc: "str") -> "List[int]":
        """Who is left: it, or a program that it started."""
        pids = [self.pid]
        if self._reaped:
            pids = [int(name) for name in os.listdir(proc) if name.isdigit()]
        lives = [(pid, register.life(proc, pid)) for pid in pids]
        return [pid for pid, life in lives if life is not None and self.pid in {pid, life.session}]

    def told(self, now: "float") -> "Answer":
        """What became of it in the end."""
        answer = self._answer
        if answer is None:
            waited = now - self.began
            answer = Answer(LATE, words="no answer in %.1f s" % waited, seconds=waited)
            if self.stuck:
                answer.kind = STUCK
                answer.words += ", and process %d can't be ended: it waits in the kernel" % self.stuck[0]
        elif answer.kind == FAILED and not answer.words:
            answer.words = "ended without an answer" + self._status
        answer.words += self.unregistered
        return answer

    def _has_ended(self) -> "bool":
        """Whether it has; then it is reaped. What it started is killed before that, while its number is still taken."""
        try:
            told = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            self._reaped = True  # where SIGCHLD is ignored the kernel reaps
            return True
        if told is None:
            return False
        self._status = (", status %d" if told.si_code == os.CLD_EXITED else ", by signal %d") % told.si_status
        _send(os.killpg, self.pid)
        self._reaped = _reap(self.pid)
        return True

    def _kill(self) -> "None":
        if not _send(os.killpg, self.pid):
            _send(os.kill, self.pid)  # it has not come to make a session of its own yet


def _send(kill: "Callable[[int, int], None]", pid: "int") -> "bool":
    try:
        kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def _reap(pid: "int") -> "bool":
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _parsed(raw: "bytes") -> "Answer":
    try:
        told = fast_json.loads(raw.decode("ascii"))
        if set(told) == {"value"}:
            return Answer(ANSWERED, told["value"])
        return Answer(FAILED, words=plain(told["error"], child.WORDS))
    except (ValueError, TypeError, KeyError):
        return Answer(
            FAILED, words="its answer is garbage: %s" % plain(raw[:80].decode("ascii", "replace"), 80)
        )
