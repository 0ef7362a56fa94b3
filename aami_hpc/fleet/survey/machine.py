"""The machine we are on: its name, operating system, architecture, kernel, Python, service manager, and who is looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.sighting import Sighting

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.tree import Tree
    from aami_hpc.fleet.survey.world import World

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_LONGEST = 120  # characters of an outside value that are worth a line


def machine(world: World) -> Sightings:
    """What kind of machine this is."""
    tree = world.tree
    version, program = world.python
    return (
        _line(tree, "name", "Name", "/proc/sys/kernel/hostname"),
        *_system(tree),
        Sighting("arch", "Architecture", world.architecture, "uname -m"),
        _line(tree, "kernel", "Kernel", "/proc/sys/kernel/osrelease"),
        Sighting("python", "Python", version, program),
        _services(tree),
        Sighting("user", "Looking as", _me(world), "/etc/passwd"),
    )


def _me(world: World) -> str:
    name = world.users().get(world.uid)
    return f"{name} (uid {world.uid})" if name else f"uid {world.uid}"


def _line(tree: Tree, key: str, label: str, path: str) -> Sighting:
    """A file that holds one line."""
    found = tree.read(path)
    line = found.words.strip().split("\n", 1)[0][:_LONGEST]
    if not line:
        return Sighting(key, label, None, path, unknown=found.why or "it is empty")
    return Sighting(key, label, line, path)


def _system(tree: Tree) -> Sightings:
    """The operating system as its os-release file names it."""
    for path in _OS_RELEASE:
        if tree.exists(path):
            break
    found = tree.read(path)
    values = os_release(found.words)
    name = values.get("PRETTY_NAME") or " ".join(filter(None, (values.get("NAME"), values.get("VERSION_ID"))))
    if not name:
        why = found.why or "it names no system (no PRETTY_NAME, no NAME)"
        return (Sighting("os", "System", None, path, unknown=why),)
    return (
        Sighting("os", "System", name, path),
        Sighting("os_id", "", f"{values.get('ID', 'linux')} {values.get('VERSION_ID', '')}".strip(), path),
    )


def os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file; lines that are none are skipped."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key.isidentifier() and key.isupper():
            values[key] = _unquoted(value.strip())[:_LONGEST]
    return values


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return value.replace('\\"', '"').replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\").strip()


def _services(tree: Tree) -> Sighting:
    """What process 1 is. Only systemd makes this folder, and only when it is process 1."""
    if tree.exists("/run/systemd/system"):
        return Sighting("services", "Services run by", "systemd", "/run/systemd/system")
    first = tree.read("/proc/1/comm")
    if first.why:
        return Sighting("services", "Services run by", None, "/proc/1/comm", unknown=first.why)
    name = first.words.strip()[:_LONGEST]
    return Sighting("services", "Services run by", f"{name} (not systemd)", "/proc/1/comm")
