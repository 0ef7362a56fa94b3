"""What is said, and how soon, when Slurm does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import SlurmAnswer, SlurmError, SlurmNotFound, SlurmUnreachable
from aami_hpc.io.run import DEFAULT_LIMIT, Completed
from aami_hpc.slurm.programs import Programs
from aami_hpc.slurm.text import TextClient
from aami_hpc.testing import FakeClock, FakeRunner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAMS = Programs({"scontrol": "scontrol", "sinfo": "sinfo"}, {"SLURM_CONF": "/nonexistent"})
UP = "Slurmctld(primary) at head1 is UP\n"
DOWN = "Slurmctld(primary) at head1 is DOWN\n*****\n** RESTORE SLURMCTLD DAEMON TO SERVICE **\n*****\n"


def _client(runner: FakeRunner) -> TextClient:
    return TextClient(PROGRAMS, runner, 3.0)


def test_a_controller_that_is_down_is_known_from_ping_alone() -> None:
    runner = FakeRunner()
    runner.answer("scontrol", "ping", stdout=DOWN, status=1)
    client = _client(runner)
    for _ in range(3):
        with pytest.raises(SlurmUnreachable) as caught:
            client.nodes()
    assert caught.value.message == "Slurm's controller head1 does not answer"
    assert "costs nothing" in caught.value.hint
    assert runner.calls == [("scontrol", "ping")]
    with pytest.raises(SlurmUnreachable):
        client.version()


def test_controllers_tells_that_it_is_down_and_is_no_error() -> None:
    runner = FakeRunner()
    runner.answer("scontrol", "ping", stdout=DOWN, status=1)
    (only,) = _client(runner).controllers()
    assert not only.up


def test_a_backup_controller_is_enough() -> None:
    runner = FakeRunner()
    text = "Slurmctld(primary) at head1 is DOWN\nSlurmctld(backup) at head2 is UP\n"
    runner.answer("scontrol", "ping", stdout=text, status=1)
    runner.answer("scontrol", "show", "config", stdout="ClusterName             = x\n")
    client = _client(runner)
    assert client.config() == {"ClusterName": "x"}
    assert [one.role for one in client.controllers()] == ["primary", "backup"]


def test_after_a_question_that_hangs_nothing_more_is_asked() -> None:
    runner = FakeRunner()
    runner.answer("scontrol", "ping", stdout=UP)
    runner.hang("scontrol", "show", "config")
    client = _client(runner)
    with pytest.raises(SlurmUnreachable, match=r"No answer within 3 s \(slurm\.timeout\)"):
        client.config()
    asked = len(runner.calls)
    for verb in (client.nodes, client.partitions, client.controllers, client.config):
        with pytest.raises(SlurmUnreachable):
            verb()
    assert len(runner.calls) == asked


class _Slow:
    """Every command takes two seconds of the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.given: list[float] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        self.given.append(timeout)
        self._clock.advance(min(timeout, 2.0))
        if timeout < 2:
            return Completed(tuple(argv), None, timed_out=True)
        return Completed(tuple(argv), 0, UP)


def test_all_commands_of_one_question_share_its_deadline() -> None:
    clock = FakeClock()
    runner = _Slow(clock)
    before = clock.monotonic()
    with pytest.raises(SlurmUnreachable):
        TextClient(PROGRAMS, runner, 3.0, clock=clock).nodes()
    assert runner.given == pytest.approx([3.0, 1.0])
    assert clock.monotonic() - before == pytest.approx(3.0)


SAID = {
    "scontrol: fatal: Could not establish a configuration source": SlurmNotFound,
    "slurm_load_node error: Unable to contact slurm controller (connect failure)": SlurmUnreachable,
    "slurm_load_partitions: Zero Bytes were transmitted or received": SlurmUnreachable,
    "slurm_load_node error: Protocol authentication error": SlurmAnswer,
    "slurm_load_node error: Access/permission denied": SlurmAnswer,
}


@pytest.mark.parametrize("said", SAID)
def test_what_slurm_says_decides_which_error_it_is(said: str) -> None:
    runner = FakeRunner()
    runner.answer("scontrol", "ping", stdout=UP)
    runner.answer("scontrol", "show", "config", stderr=said, status=1)
    with pytest.raises(SlurmError) as caught:
        _client(runner).config()
    assert type(caught.value) is SAID[said]
    assert said in caught.value.cause


def test_no_configuration_is_found_out_by_ping() -> None:
    runner = FakeRunner()
    runner.answer(
        "scontrol", "ping", stderr="scontrol: fatal: Could not establish a configuration source", status=1
    )
    with pytest.raises(SlurmNotFound, match="no configuration of Slurm"):
        _client(runner).nodes()


def test_a_command_that_is_gone() -> None:
    with pytest.raises(SlurmNotFound, match="can't be run"):
        _client(FakeRunner()).version()


@pytest.mark.parametrize("answer", ["garbage", "n1<x>idle", "\n"])
def test_an_answer_that_is_none_is_refused(answer: str) -> None:
    class Garbage(FakeRunner):
        def run(
            self,
            argv: Sequence[str],
            *,
            timeout: float,
            env: Mapping[str, str] | None = None,
            limit: int = DEFAULT_LIMIT,
        ) -> Completed:
            return Completed(tuple(argv), 0, UP if argv[-1] == "ping" else f"{answer}<")

    with pytest.raises(SlurmAnswer):
        _client(Garbage()).nodes()


def test_an_answer_that_was_cut_is_refused() -> None:
    runner = FakeRunner({("scontrol", "ping"): UP})
    runner._answers["scontrol", "show", "config"] = Completed(("scontrol",), None, "A = b\n", truncated=True)
    with pytest.raises(SlurmAnswer):
        _client(runner).config()


@pytest.mark.parametrize("name", ["ALL", "all", "-x", "a b", "default"])
def test_a_node_whose_name_is_no_name_is_an_error(name: str) -> None:
    class One(FakeRunner):
        def run(
            self,
            argv: Sequence[str],
            *,
            timeout: float,
            env: Mapping[str, str] | None = None,
            limit: int = DEFAULT_LIMIT,
        ) -> Completed:
            if argv[-1] == "ping":
                return Completed(tuple(argv), 0, UP)
            text = f"{name}<1>idle<1>idle<1><1><1><1><1>none<1>\n"
            return Completed(tuple(argv), 0, text)

    client = TextClient(PROGRAMS, One(), 3.0, separator=lambda: "<1>")
    with pytest.raises(SlurmAnswer):
        client.nodes()
