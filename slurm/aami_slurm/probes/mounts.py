"""The mount table, and whether one mount answers. The table can be read in any process; asking a mount may hang."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    from aami_slurm.places import Places

_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\"))


def read(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """{"stat": "ok"}, or what the kernel said instead. `ask` has the `path`. Hangs as long as the server does.

    Both questions: a network file system may answer the second from memory, and only the first mounts an automount.
    """
    path = ask["path"].encode("utf-8", "surrogateescape")  # as stored: a hook has no locale to say otherwise
    try:
        os.statvfs(path)
        os.stat(path)
    except OSError as error:
        return {"stat": "error: %s" % error.strerror}
    return {"stat": "ok"}


def table(places: "Places") -> "Dict[str, Dict[str, Any]]":
    """{path: {type, options, super}}, what lies on top where one mount covers another. OSError if there is none.

    `options` are the mount's own, `super` those of the file system behind it, which may be mounted elsewhere, too.
    """
    found = {}
    with open(places.proc + "/self/mountinfo", "rb") as source:
        for line in source.read().decode("utf-8", "surrogateescape").split("\n"):
            row = _row(line)
            if row is not None:
                found[row[0]] = row[1]
    return found


def of(mounted: "Dict[str, Dict[str, Any]]", path: "str") -> "Optional[str]":
    """The mount point that a path lies on."""
    return next((place for place in _upwards(path) if place in mounted), None)


def unescape(text: "str") -> "str":
    """Blanks, line ends, # and backslashes in a path stand in octal, in the kernel's tables and in fstab."""
    for octal, char in _ESCAPES:
        text = text.replace(octal, char)
    return text


def _row(line: "str") -> "Optional[Tuple[str, Dict[str, Any]]]":
    """`36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue`."""
    own, dash, behind = line.partition(" - ")
    left, right = own.split(" "), behind.split(" ")
    if not dash or len(left) < 6 or len(right) < 3:  # noqa: PLR2004 - up to the options; type, source, options
        return None
    return unescape(left[4]), {"type": right[0], "options": _options(left[5]), "super": _options(right[2])}


def _options(told: "str") -> "List[str]":
    return [unescape(option) for option in told.split(",") if option]


def _upwards(path: "str") -> "Iterator[str]":
    while path not in {"/", ""}:
        yield path
        path = os.path.dirname(path)
    yield "/"
