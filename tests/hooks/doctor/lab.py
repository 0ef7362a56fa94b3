"""The doctor on a real Slurm of the lab: its commands, its nodes over a real SSH, and files where slurmd sees them."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

import yaml

from aami_hpc.actions.hooks_doctor import run
from aami_hpc.actions.hooks_doctor_facts import Asking
from aami_hpc.config import load
from aami_hpc.fleet.survey.world import World
from aami_hpc.hooks.doctor.parser import Parser
from aami_hpc.io.run import SystemRunner
from aami_hpc.io.ssh import Local
from aami_hpc.resources import share
from aami_hpc.slurm.programs import Programs
from aami_hpc.testing.sshd import ssh_node
from tests.lab.releases import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.actions.result import Result
    from aami_hpc.testing.sshd import SshNode
    from tests.lab.slurm import SlurmCluster

_COMMAND = """\
#!/bin/sh
SLURM_CONF=${{SLURM_CONF:-{conf}}}
export SLURM_CONF
exec /usr/sbin/chroot {root} {program} "$@"
"""
_BIND = 'mount --bind "$1" /usr/libexec && shift && exec "$@"'


class Site:
    """One cluster as an administrator of it would see it."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.conf = cluster.conf
        self.etc = cluster.layout.etc
        self.log = cluster.layout.log / "hooks.log"
        self.bin = _commands(cluster, folder / "bin")
        self.temporary = cluster.layout.run  # seen by commands in a root of their own, too
        self._root = cluster.installation.root

    def parser(self) -> Parser:
        """Slurm's parser of this release."""
        environ = {"SLURM_CONF": str(self.conf), "PATH": os.environ["PATH"], "LC_ALL": "C"}
        paths = {"scontrol": str(self.bin / "scontrol")}
        return Parser(Programs(paths, environ), SystemRunner(), str(self.temporary))

    def doctor(self, sshd: SshNode | None = None, *, expression: str | None = None, uid: int = 0) -> Result:
        """`hooks doctor` with a configuration that knows the way, or with none."""
        world = World(
            environ={"PATH": f"{self.bin}:{os.environ['PATH']}", "SLURM_CONF": str(self.conf)}, uid=uid
        )
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environ = {"HOME": str(home)}
        if sshd is not None:
            environ["AAMI_CONFIG"] = str(self._configuration(sshd))
        local = Local("root", home, os.getuid(), "head1")
        asking = Asking(load(environ=environ), expression, world=world, local=local)
        return run(asking, folder=str(self.temporary))

    @contextlib.contextmanager
    def ssh(self) -> Iterator[SshNode]:
        """A real sshd whose sessions see the file system that slurmd sees; here /usr/libexec is the test's own."""
        count = len(self.cluster.nodes)
        if self._root is not None:
            inside = f'exec /usr/sbin/chroot {self._root} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
            with ssh_node(ports=count, options={"ForceCommand": inside}) as sshd:
                yield sshd
            return
        self.libexec.mkdir(parents=True, exist_ok=True)
        prefix = ("unshare", "--mount", "/bin/sh", "-c", _BIND, "sh", str(self.libexec))
        with ssh_node(ports=count, prefix=prefix) as sshd:
            yield sshd

    @property
    def libexec(self) -> Path:
        """What stands for /usr/libexec of the nodes."""
        return self._root / "usr/libexec" if self._root else self.folder / "libexec"

    @property
    def runs_ours(self) -> bool:
        """Whether slurmd, too, sees that /usr/libexec."""
        return self._root is not None

    def push(self) -> None:
        """What `hooks push` leaves on nodes, as far as the doctor and Slurm meet it."""
        for name in ("prolog", "epilog", "health"):
            self.script(self.libexec / "aami-hpc" / name, f"echo our {name} >>{shlex.quote(str(self.log))}")

    def launchers(self, **site: str) -> None:
        """The launchers beside slurm.conf; `prolog=PATH` is the site's own program that one of them runs first."""
        for name in ("prolog", "epilog"):
            text = (share() / "slurm" / "conf" / f"aami-{name}").read_text(encoding="utf-8")
            text = text.replace("site=\n", f"site={site.get(name, '')}\n", 1)
            self.script(self.etc / f"aami-{name}", text)

    def script(self, path: Path, text: str, mode: int = 0o755) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path

    def told(self) -> list[str]:
        """What hooks wrote so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def _configuration(self, sshd: SshNode) -> Path:
        known = self.folder / "known_hosts"
        known.write_text(sshd.known_hosts("127.0.0.1"))
        ssh = {"user": sshd.user, "identity_files": [str(sshd.keys.client)], "known_hosts": str(known)}
        nodes = {
            name: {"address": "127.0.0.1", "ssh_port": port}
            for name, port in zip(self.cluster.nodes, sshd.ports, strict=True)
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({"ssh": ssh, "nodes": nodes}))
        return path


def _commands(cluster: SlurmCluster, folder: Path) -> Path:
    """Commands that read the file that $SLURM_CONF names, as Slurm's own do. The lab's always read the cluster's."""
    if cluster.installation.root is None:
        return cluster.bin_dir
    folder.mkdir()
    for program in CLIENTS:
        path = folder / program
        path.write_text(_COMMAND.format(conf=cluster.conf, root=cluster.installation.root, program=program))
        path.chmod(0o755)
    return folder
