"""Files and programs as an installation needs them on a node: whole or not at all, on disk before a switch."""

import contextlib
import os
import shutil
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Tuple

LARGEST = 64 << 20  # bytes a whole tree may have


def read(path: "str") -> "bytes":
    """The file's bytes; nothing where there is no file."""
    try:
        with open(path, "rb") as source:
            return source.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""


def write(path: "str", content: "bytes", *, mode: "int" = 0o644, safe: "bool" = False) -> "None":
    """Write where nobody looks yet. `safe`: it is on disk when this returns."""
    with open(path, "wb") as target:
        target.write(content)
        target.flush()
        os.fchmod(target.fileno(), mode)
        if safe:
            os.fsync(target.fileno())


def beside(path: "str", content: "bytes", *, mode: "int" = 0o644) -> "str":
    """Put the content on disk beside its place, under a name that a later change sweeps away; that name."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = "%s/.%s.aami-%d" % (folder, name, os.getpid())
    write(temporary, content, mode=mode, safe=True)
    return temporary


def place(path: "str", content: "bytes") -> "None":
    """Put a small file in place in one step."""
    temporary = beside(path, content)
    try:
        os.rename(temporary, path)
    finally:
        drop(temporary)
    sync(os.path.dirname(path))


def link(path: "str", target: "str") -> "None":
    """Make a symbolic link in one step, whatever was there."""
    temporary = "%s/.%s.aami-new" % os.path.split(path)
    drop(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
    sync(os.path.dirname(path))


def sync(path: "str") -> "None":
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle(tree: "str") -> "None":
    """All of it on disk: after a power cut a file of byte code that is half there would stop every hook."""
    for folder, _, names in os.walk(tree):
        for name in names:
            sync(folder + "/" + name)
        sync(folder)


def drop(path: "str") -> "None":
    """Remove a file, a link or a folder with all that is in it; nothing there is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif path:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)


def files(tree: "str") -> "Iterator[str]":
    """The paths in a tree, byte code left out."""
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            yield (folder + "/" + name)[len(tree) + 1 :]


def sources(tree: "str") -> "List[str]":
    return [tree + "/" + path for path in files(tree) if path.endswith(".py")]


def nearest(path: "str") -> "str":
    """The folder, or the first one above it that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path


def run(
    argv: "List[str]", seconds: "float", environ: "Optional[Dict[str, str]]" = None
) -> "Tuple[Optional[int], str]":
    """Status and words of a program; None where it did not end in time, or could not begin.

    It stays in our process group: what ends us, when the head is gone, ends it too.
    """
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ
        )
    except OSError as error:
        return None, str(error)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # and not waited for: it may sleep in the kernel
        return None, "it did not end within %g s" % seconds
    return process.returncode, " ".join(said.decode("utf-8", "replace").split())
