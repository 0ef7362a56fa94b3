"""What is done on one node: look first, change only what differs, and believe only what is read back."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aami_hpc.hooks.look import drift
from aami_hpc.hooks.remote import NotDone
from aami_hpc.hooks.report import Ending, Report, of_outcome, report

if TYPE_CHECKING:
    from aami_hpc.hooks.look import Look
    from aami_hpc.hooks.remote import Remote
    from aami_hpc.hooks.tree import Generation
    from aami_hpc.io.ssh import Payload

LIBRARY = "/usr/lib/aami-hpc"
_SPACE = 3  # times the size of a tree: the tree, its byte code, and what is on its way
_SPARE = 4 << 20


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is pushed. Without a payload nothing is changed: the same run, which only says what it would do."""

    generation: Generation
    keep: int
    payload: Payload | None = None
    look_for: tuple[str, ...] = ()


async def push(remote: Remote, shipment: Shipment) -> Report:
    """Bring the node to the generation, unless it runs it already."""
    look = await remote.look(shipment.look_for)
    amiss = drift(look, remote.name)
    wanted = shipment.generation
    if look.content == wanted.content and not amiss:
        return report(remote.name, Ending.UNCHANGED, look, before=look.generation)
    hindrance = _hindrance(remote.name, look, wanted.size * _SPACE + _SPARE)
    if hindrance is not None:
        return hindrance
    if shipment.payload is None:
        return report(remote.name, Ending.WOULD_PUSH, look, before=look.generation, detail="; ".join(amiss))
    place = await _upload(remote, look, wanted.name, shipment.payload)
    after = await remote.order(
        "install",
        look,
        generation=wanted.name,
        upload=place,
        digest=shipment.payload.digest,
        keep=shipment.keep,
        look_for=list(shipment.look_for),
    )
    return _changed(remote.name, look, after, wanted.name, Ending.PUSHED)


async def rollback(remote: Remote, to: str | None) -> Report:
    """Put the generation before in force, or the one named."""
    look = await remote.look()
    if look.generation is None and to is None:
        return report(remote.name, Ending.NOTHING, look, detail="no generation is in force")
    after = await remote.order("switch", look, to=to)
    if after.generation == look.generation:
        return report(remote.name, Ending.UNCHANGED, after, before=look.generation)
    return _changed(remote.name, look, after, to or after.generation, Ending.SWITCHED)


async def remove(remote: Remote) -> Report:
    """Take everything away but what the node has recorded."""
    look = await remote.look()
    if look.generation is None and not look.generations and not _left(look):
        return report(remote.name, Ending.UNCHANGED, look, detail="nothing of ours was there")
    after = await remote.order("remove", look)
    if after.generation is not None or after.generations or _left(after):
        detail = "it was ordered, and something is still there"
        return report(remote.name, Ending.FAILED, after, before=look.generation, detail=detail)
    return report(remote.name, Ending.REMOVED, after, before=look.generation)


async def status(remote: Remote, content: str | None) -> Report:
    """What runs there. `content` is what this configuration would push, None where that is not known."""
    look = await remote.look()
    amiss = drift(look, remote.name)
    if look.generation is None and not amiss:
        return report(remote.name, Ending.NOTHING, look)
    if amiss:
        return report(remote.name, Ending.DRIFT, look, detail="; ".join(amiss))
    if content is not None and look.content != content:
        return report(remote.name, Ending.OUTDATED, look)
    return report(remote.name, Ending.OK, look)


async def _upload(remote: Remote, look: Look, name: str, payload: Payload) -> str:
    """Send the tree to a name that only its installation looks at; where it is on the node."""
    library = PurePosixPath(remote.root + LIBRARY)
    if look.generation is None:
        made = await remote.host.run(f"umask 022; mkdir -p {shlex.quote(str(library))}")
        if not made.ok:
            raise NotDone(of_outcome(remote.name, made, look))
    place = library / f".upload-{name}.aami-{secrets.token_hex(4)}"
    sent = await remote.host.upload(payload, place, mode=0o600)
    if not sent.ok:
        raise NotDone(of_outcome(remote.name, sent, look))
    return str(place)


def _hindrance(name: str, look: Look, need: int) -> Report | None:
    if not look.writable:
        detail = f"{LIBRARY} can't be written" + ("" if look.uid == 0 else " by this user")
        return report(name, Ending.NOT_WRITABLE, look, before=look.generation, detail=detail)
    if look.free < need:
        detail = f"{look.free >> 20} MB are free, {need >> 20} MB are needed"
        return report(name, Ending.NO_SPACE, look, before=look.generation, detail=detail)
    return None


def _changed(name: str, before: Look, after: Look, wanted: str | None, ending: Ending) -> Report:
    """A change is done when it was read back, whole."""
    amiss = drift(after, name)
    if after.generation != wanted:
        detail = f"{wanted} was ordered and is not what was read back"
        return report(name, Ending.FAILED, after, before=before.generation, detail=detail)
    if amiss:
        return report(name, Ending.DRIFT, after, before=before.generation, detail="; ".join(amiss))
    return report(name, ending, after, before=before.generation)


def _left(look: Look) -> bool:
    return any(state not in ("none", "missing") for state in (*look.launchers.values(), *look.units.values()))
