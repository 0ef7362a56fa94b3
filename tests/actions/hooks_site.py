"""A site to push hooks to: a Slurm that gives recorded answers, and real SSH servers that are its nodes.

Every node writes below a folder of its own: the same seam that the hooks themselves have.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from aami_hpc.actions import hooks_push, hooks_remove, hooks_rollback, hooks_status
from aami_hpc.config import load
from aami_hpc.io.run import SystemRunner
from aami_hpc.render.plain import to_text
from tests.hooks.support import Machine, sources
from tests.io.ssh_support import local
from tests.slurm.commands import install

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aami_hpc.actions.result import Result
    from aami_hpc.config import Settings
    from aami_hpc.testing.sshd import SshNode

# Answers to `show config` what the test says, and everything else as it was recorded.
_SCONTROL = """\
#!/bin/sh
if [ "$*" = "show config" ]; then exec cat {config}; fi
exec {recorded} "$@"
"""
GPU = ("gpu-001", "gpu-002", "gpu-003")


class Site:
    """Three nodes on ports of one server, and the configuration that leads to them."""

    def __init__(self, folder: Path, server: SshNode) -> None:
        self.folder, self.server = folder, server
        self.bin = install(folder / "slurm")
        (self.bin / "scontrol").rename(self.bin / "recorded")
        self.slurm_says(PrivateData="none", ClusterName="alpha")
        self.nodes: dict[str, dict[str, Any]] = {}
        self.hooks: dict[str, Any] = {}
        self.slurm: dict[str, Any] = {}
        self.policy: dict[str, Any] = {}
        self.ssh: dict[str, Any] = {
            "config_file": str(folder / "ssh_config"),
            "known_hosts": str(folder / "known_hosts"),
            "identity_files": [str(server.keys.client)],
            "connect_timeout": "20s",
        }
        (folder / "ssh_config").write_text("IdentityAgent none\nGlobalKnownHostsFile none\n")
        (folder / "known_hosts").write_text(server.known_hosts(*GPU, "cpu-001"))
        for name, port in zip(GPU, server.ports, strict=False):
            self.at(name, port)
        self.sources = sources(folder / "sources")
        self.asked: list[Sequence[str]] = []

    def slurm_says(self, **settings: str) -> None:
        config = self.folder / "show-config"
        config.write_text("".join(f"{key:<23} = {value}\n" for key, value in settings.items()))
        program = self.bin / "scontrol"
        program.write_text(_SCONTROL.format(config=config, recorded=self.bin / "recorded"))
        program.chmod(0o755)

    def slurm_is_silent(self) -> None:
        program = self.bin / "scontrol"
        program.write_text("#!/bin/sh\necho 'Slurmctld(primary) at head1 is DOWN'\nexit 1\n")

    def at(self, name: str, port: int) -> None:
        self.nodes[name] = {"address": "127.0.0.1", "ssh_port": port}

    def changed(self, words: str) -> None:
        """From now on the node's side is another one."""
        self.sources = sources(self.folder / "sources", words)

    def machine(self, name: str) -> Machine:
        return Machine(self.folder / "roots" / name, name=name)

    def fresh(self, name: str) -> None:
        shutil.rmtree(self.folder / "roots" / name, ignore_errors=True)

    @property
    def root(self) -> str:
        return str(self.folder / "roots" / "{node}")

    def config(self) -> Path:
        path = self.folder / "config.yaml"
        told = {
            "slurm": {"bin_dir": str(self.bin), "timeout": "30s", **self.slurm},
            "ssh": self.ssh,
            "nodes": self.nodes,
            "hooks": self.hooks,
            "policy": self.policy,
        }
        path.write_text(yaml.safe_dump(told))
        return path

    def settings(self) -> Settings:
        return load(self.config(), environ={"HOME": "/nonexistent"})

    # --- the commands

    def push(self, expression: str | None = "gpu-[001-003]", *, dry_run: bool = False, **more: Any) -> Result:
        return self._run(
            hooks_push.run, expression, sources=self.sources, dry_run=dry_run, confirm=self._confirm, **more
        )

    def status(self, expression: str | None = "gpu-[001-003]", **more: Any) -> Result:
        return self._run(hooks_status.run, expression, sources=self.sources, **more)

    def rollback(self, expression: str | None = "gpu-[001-003]", to: str | None = None) -> Result:
        return self._run(hooks_rollback.run, expression, to=to, confirm=self._confirm)

    def remove(self, expression: str | None = "gpu-[001-003]") -> Result:
        return self._run(hooks_remove.run, expression, confirm=self._confirm)

    def _confirm(self, names: Sequence[str]) -> None:
        self.asked.append(list(names))

    def _run(self, command: Callable[..., Result], expression: str | None, **more: Any) -> Result:
        result = command(
            self.settings(),
            SystemRunner(),
            {},
            expression=expression,
            root=self.root,
            local=local(self.folder),
            **more,
        )
        json.dumps(result.data)
        assert "\x1b" not in to_text(result.document)
        return result


def endings(result: Result) -> dict[str, str]:
    return {name: one["outcome"] for name, one in result.data["nodes"].items()}


def only(result: Result) -> dict[str, Any]:
    """The one group that all nodes are in."""
    (group,) = result.data["groups"]
    assert isinstance(group, dict)
    return group
