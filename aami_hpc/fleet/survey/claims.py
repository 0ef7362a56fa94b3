"""The ports we would use, and who holds them now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.survey.ports import holders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aami_hpc.fleet.survey.ports import Listener, Listeners
    from aami_hpc.fleet.survey.processes import Process
    from aami_hpc.fleet.survey.software import Port, Software
    from aami_hpc.fleet.survey.world import World

FREE, HELD, UNKNOWN = "free", "held", "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """One port we would use. `holder` says who has it, as far as this user may know."""

    port: int
    ours: str
    where: str
    state: str
    holder: str
    source: str
    address: str = ""
    uid: int | None = None
    pid: int | None = None
    program: str = ""
    same: bool = False  # held by the software that we would put there

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "port": self.port,
            "use": self.ours,
            "where": self.where,
            "state": self.state,
            "holder": self.holder,
            "address": self.address,
            "uid": self.uid,
            "pid": self.pid,
            "program": self.program,
            "source": self.source,
        }


def claims(
    world: World, known: Iterable[Software], listeners: Listeners, processes: Sequence[Process]
) -> tuple[Claim, ...]:
    """Every port that presets/software.yaml marks as ours, in order of port."""
    wanted = sorted(
        ((port, software) for software in known for port in software.ports if port.ours),
        key=lambda pair: pair[0].port,
    )
    taken = [listener for port, _ in wanted for listener in listeners.on(port.port)]
    behind = holders(world.tree, processes, taken)
    return tuple(_claim(world, port, software, listeners, behind) for port, software in wanted)


def _claim(
    world: World, port: Port, software: Software, listeners: Listeners, behind: Mapping[int, Process]
) -> Claim:
    taken = listeners.on(port.port)
    if not taken and listeners.unknown:
        gap = listeners.unknown[0]
        return Claim(port.port, port.ours, port.where, UNKNOWN, gap.unknown, gap.source)
    if not taken:
        return Claim(port.port, port.ours, port.where, FREE, "", "/proc/net/tcp")
    # Behind several sockets (IPv4 and IPv6, say) there is one process as a rule; name one that shows.
    first = next((listener for listener in taken if listener.inode in behind), taken[0])
    process = behind.get(first.inode)
    return Claim(
        port.port,
        port.ours,
        port.where,
        HELD,
        _holder(world, first, process),
        f"/proc/{process.pid}/fd" if process else first.source,
        address=", ".join(sorted({listener.where for listener in taken})),
        uid=first.uid,
        pid=process.pid if process else None,
        program=process.program if process else "",
        same=bool(process and process.is_program(software.processes)),
    )


def _holder(world: World, listener: Listener, process: Process | None) -> str:
    """Who holds it, in words."""
    user = world.user(listener.uid)
    if process is not None:
        return f"{process.program_name or process.name} (pid {process.pid}, {user})"
    whose = f"uid {listener.uid}, {user}" if user.startswith("user ") else user
    if world.uid not in {listener.uid, 0}:
        return f"a process of another user ({whose})"
    return f"a process that can't be seen from here ({whose})"
