"""A TCP connection to a host, with the operating system's own word when there is none."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from aami_hpc.io.ssh.aside import aside
from aami_hpc.io.ssh.plan import is_address

if TYPE_CHECKING:
    from aami_hpc.io.ssh.plan import Plan

Place = tuple[int, tuple[Any, ...]]


async def dial(plan: Plan) -> socket.socket:
    """Try the host's addresses one after the other; the last refusal is raised."""
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for family, place in await _places(plan):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)  # noqa: FBT003 - the method takes no keyword
            if plan.bind_address:
                connection.bind((plan.bind_address, 0))
            await loop.sock_connect(connection, place)
        except OSError as error:
            refusal = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
        connection.close()
    raise refusal or socket.gaierror(socket.EAI_NONAME, "The name has no address")


async def _places(plan: Plan) -> list[Place]:
    if is_address(plan.address):
        found = socket.getaddrinfo(
            plan.address, plan.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    else:
        found = await aside(
            lambda: socket.getaddrinfo(plan.address, plan.port, plan.family, socket.SOCK_STREAM)
        )
    return list(dict.fromkeys((one[0], one[4]) for one in found))
