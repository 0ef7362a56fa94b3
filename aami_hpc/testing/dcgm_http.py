"""Serves a simulator over HTTP: one listening socket per node, all in one event loop in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from aami_hpc.errors import UsageFault

if TYPE_CHECKING:
    from types import TracebackType

    from aami_hpc.testing.dcgm import Answer, Simulator

_HEAD_LIMIT = 16 * 1024
_IDLE = 30.0  # seconds a connection may be silent
_ROOT = '<html><head><title>GPU Exporter</title></head><body><a href="./metrics">Metrics</a></body></html>'


class Serving(contextlib.AbstractContextManager["Serving"]):
    """The open sockets of a simulator. `targets` says where each node is."""

    def __init__(self, simulator: Simulator, address: str, port: int, spread: str) -> None:
        self.simulator = simulator
        sockets = _listen(simulator.nodes, address, port, spread)
        self.targets = {node: "{}:{}".format(*opened.getsockname()[:2]) for node, opened in sockets.items()}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="dcgm-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket and connection and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self, sockets: dict[str, socket.socket]) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve(sockets))

    async def _serve(self, sockets: dict[str, socket.socket]) -> None:
        connections: set[asyncio.Task[None]] = set()
        servers = []
        for node, opened in sockets.items():

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: str = node
            ) -> None:
                task = asyncio.current_task()
                if task is not None:
                    connections.add(task)
                    task.add_done_callback(connections.discard)
                await self._connection(node, reader, writer)

            servers.append(await asyncio.start_server(accept, sock=opened, limit=_HEAD_LIMIT))
        self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connection(
        self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Requests of one connection, until it closes, goes silent or is cut by a fault."""
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError
        ):
            while await self._request(node, reader, writer):
                pass
        writer.close()

    async def _request(self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _IDLE)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        answer = _answer(self.simulator, node, words)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.cut:
            _reset(writer)
            return False
        writer.write(_response(answer))
        await writer.drain()
        return b"connection: close" not in head.lower()


def _answer(simulator: Simulator, node: str, words: list[str]) -> Answer:
    from aami_hpc.testing.dcgm import Answer

    if [word[:7] for word in words[2:]] != ["HTTP/1."]:
        return Answer("400 Bad Request\n", 400)
    metrics = simulator.answer(node)
    path = words[1].partition("?")[0]
    if metrics.cut or path == "/metrics":
        return metrics
    fixed = {"/": _ROOT, "/health": "KO"}  # the real one says KO when all is well, too
    return Answer(fixed[path]) if path in fixed else Answer("404 page not found\n", 404)


def _response(answer: Answer) -> bytes:
    body = answer.body.encode()
    kind = "text/html" if answer.body is _ROOT else "text/plain"
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {kind}; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset, so that the client sees a failure and never an empty page."""
    opened = writer.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _listen(nodes: tuple[str, ...], address: str, port: int, spread: str) -> dict[str, socket.socket]:
    """One listening socket per node, or none at all."""
    if spread not in {"ports", "addresses"}:
        raise UsageFault(f"Nodes are spread over ports or addresses, not over {spread!r}")
    opened: dict[str, socket.socket] = {}
    try:
        for number, node in enumerate(nodes):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            opened[node] = one
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if spread == "addresses":
                one.bind((str(ipaddress.IPv4Address(address) + number), port))
            else:
                one.bind((address, port + number if port else 0))
            one.listen(64)
            one.settimeout(0)
    except OSError:
        for one in opened.values():
            one.close()
        raise
    return opened
