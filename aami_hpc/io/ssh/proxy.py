"""Programs that connect us to a host (ProxyCommand): started with a socket in place of their terminal, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO

from aami_hpc.io.ssh.faults import last_words

_PATIENCE = 1.0  # seconds a program has to end once its host is gone


@dataclass(frozen=True, slots=True)
class Proxy:
    """One running program, and what it has to say."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def why(self) -> str:
        """Its last words, for the detail of a login that failed."""
        self.said.seek(0)
        return last_words(self.said.read(4096).decode("utf-8", "replace"))

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(_PATIENCE)
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.said.close()


@dataclass(slots=True)
class Proxies:
    """The programs of one run."""

    running: list[Proxy] = field(default_factory=list)

    def start(self, command: str) -> tuple[socket.socket, Proxy]:
        """Run the command as ssh does; the socket leads through it to the host."""
        self.reap()
        ours, theirs = socket.socketpair()
        said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the program
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=said,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            said.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)  # noqa: FBT003 - the method takes no keyword
        proxy = Proxy(process, said)
        self.running.append(proxy)
        return ours, proxy

    def reap(self) -> None:
        """Take leave of those that have ended by themselves."""
        for proxy in [one for one in self.running if one.process.poll() is not None]:
            self.running.remove(proxy)
            proxy.said.close()

    def close(self) -> None:
        """End all of them."""
        for proxy in self.running:
            proxy.end()
        self.running.clear()
