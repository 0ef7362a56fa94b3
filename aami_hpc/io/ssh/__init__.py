"""SSH to many hosts at once: one connection per host, outcomes as data, host keys always checked.

    async with SshPool(SshOptions(...)) as pool:
        async for outcome in pool.each(targets, lambda host: host.run("uptime")):
            ...

`docs/ssh.md` says for administrators how we connect; the modules of this package are one idea each.
"""

from aami_hpc.io.ssh.host import Host
from aami_hpc.io.ssh.limits import Limits
from aami_hpc.io.ssh.options import SshOptions, Target
from aami_hpc.io.ssh.outcome import MEANINGS, Failed, Kind, Meaning, Outcome
from aami_hpc.io.ssh.payload import Payload
from aami_hpc.io.ssh.plan import Local
from aami_hpc.io.ssh.pool import SshPool

__all__ = [
    "MEANINGS",
    "Failed",
    "Host",
    "Kind",
    "Limits",
    "Local",
    "Meaning",
    "Outcome",
    "Payload",
    "SshOptions",
    "SshPool",
    "Target",
]
