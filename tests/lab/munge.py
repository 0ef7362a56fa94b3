"""A munged of the cluster's own: its own key and its own socket, so that it meets no other."""

from __future__ import annotations

import secrets
import signal
from typing import TYPE_CHECKING

from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.ledger import Ledger
    from tests.lab.releases import Installation
    from tests.lab.slurm_conf import Layout

_KEY_BYTES = 128
_START_LIMIT = 30.0


def start(ledger: Ledger, installation: Installation, layout: Layout) -> None:
    """Start it and wait for its socket."""
    key = layout.etc / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(_KEY_BYTES))
    options = {
        "socket": layout.munge,
        "key-file": key,
        "pid-file": layout.run / "munged.pid",
        "log-file": layout.log / "munged.log",
        "seed-file": layout.run / "munged.seed",
    }
    argv = installation.argv(
        "munged", "--foreground", "--force", *(f"--{key}={value}" for key, value in options.items())
    )
    daemon = ledger.start(argv, log="munged.out", stop=signal.SIGKILL)

    def ready() -> bool:
        ledger.check(daemon, "munged", "munged.out")
        return layout.munge.is_socket()

    until(ready, "munged's socket", timeout=_START_LIMIT, evidence=lambda: ledger.tail("munged.out"))
