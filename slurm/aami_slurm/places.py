"""Where everything is on a node. `AAMI_ROOT` moves all of it below another folder: the seam every test uses."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


class Places:
    """Paths, built once. /proc, /sys and /dev are the root's own where it has them, else the machine's."""

    def __init__(self, root: "str" = "", tree: "Optional[str]" = None) -> "None":
        self.root = root = root.rstrip("/")
        self.tree = tree or os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        self.settings = self.tree + "/node.json"
        self.library = root + "/usr/lib/aami-hpc"
        self.libexec = root + "/usr/libexec/aami-hpc"
        self.etc = root + "/etc/aami-hpc"
        self.node_name = self.etc + "/node-name"
        self.site_checks = self.etc + "/checks.d"
        self.state = root + "/var/lib/aami-hpc"
        self.journal = self.state + "/journal"
        self.ledger = self.state + "/ledger"
        self.inventory = self.state + "/inventory"
        self.run = root + "/run/aami-hpc"
        self.proc = self._system("/proc")
        self.sys = self._system("/sys")
        self.dev = self._system("/dev")

    def _system(self, path: "str") -> "str":
        return self.root + path if self.root and os.path.isdir(self.root + path) else path

    def below(self, path: "str") -> "str":
        """A path out of the settings, which are written as on the node itself."""
        return self.root + path if path.startswith("/") else path

    def boot_id(self) -> "str":
        """The kernel's name for this boot."""
        with open(self.proc + "/sys/kernel/random/boot_id", "rb") as source:
            return source.read(64).decode("ascii", "replace").strip()


def from_environment() -> "Places":
    return Places(os.environ.get("AAMI_ROOT", ""))
