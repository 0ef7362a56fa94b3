"""What one node looks like from inside: one read-only script for any POSIX shell, and what its answer means."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.machine import os_release
from aami_hpc.fleet.survey.ports import parse as parse_sockets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aami_hpc.fleet.survey.software import Software

_KINDS = {"exporter", "node health", "GPU service"}  # what matters on a compute node
_LONGEST = 120

# grep keeps the listening sockets (state 0A) alone. The last line makes the script end well.
_SCRIPT = """\
grep -s '^PRETTY_NAME=' /etc/os-release
echo "ARCH=$(uname -m)"
echo "KERNEL=$(uname -r)"
for p in python3 /usr/libexec/platform-python; do
  v=$("$p" -V 2>/dev/null) && echo "PYTHON=$v" && break
done
n=0
for d in /sys/bus/pci/devices/*; do
  read -r v 2>/dev/null <"$d/vendor" && read -r c 2>/dev/null <"$d/class" || continue
  case $v/$c in 0x10de/0x03*) n=$((n+1));; esac
done
[ -d /sys/bus/pci/devices ] && echo "GPUS=$n"
grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6 | sed 's/^/TCP=/'
for p in {paths}; do [ -e "$p" ] && echo "THERE=$p"; done
:
"""


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One node's answer. Nodes with equal answers are shown together."""

    os: str
    arch: str
    kernel: str
    python: str
    gpus: int | None
    ports: tuple[int, ...]  # only ports that known software uses: others come and go
    software: tuple[str, ...]


def script(known: Iterable[Software]) -> str:
    """The probe. It opens nothing for writing and runs grep, uname, sed and python3 -V."""
    paths = " ".join(shlex.quote(path) for software in _of_nodes(known) for path in software.paths)
    return _SCRIPT.format(paths=paths)


def read(output: str, known: Sequence[Software]) -> NodeLook:
    """The script's output; what is missing in it is empty or None."""
    values: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition("=")
        values.setdefault(key, []).append(value[:_LONGEST] if key != "TCP" else value)
    first = {key: found[0] for key, found in values.items()}
    gpus = first.get("GPUS", "")
    return NodeLook(
        os=os_release(f"PRETTY_NAME={first.get('PRETTY_NAME', '')}")["PRETTY_NAME"],
        arch=first.get("ARCH", ""),
        kernel=first.get("KERNEL", ""),
        python=first.get("PYTHON", "").removeprefix("Python "),
        gpus=int(gpus) if re.fullmatch(r"[0-9]{1,4}", gpus) else None,
        ports=_ports(values.get("TCP", []), known),
        software=_software(values.get("THERE", []), known),
    )


def _of_nodes(known: Iterable[Software]) -> tuple[Software, ...]:
    return tuple(software for software in known if software.kind in _KINDS)


def _ports(lines: Iterable[str], known: Iterable[Software]) -> tuple[int, ...]:
    listening = {found.port for found in parse_sockets("\n".join(lines), "/proc/net/tcp")}
    return tuple(sorted(listening & {port.port for software in known for port in software.ports}))


def _software(paths: Iterable[str], known: Iterable[Software]) -> tuple[str, ...]:
    there = set(paths)
    return tuple(software.name for software in _of_nodes(known) if there & set(software.paths))
