"""Before a generation is switched to: does every module of it load on this interpreter, and can its settings be read?"""

import os
import sys

from aami_slurm import places, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

BROKEN = 70


def main() -> "int":
    """0 and one line of what was looked at, or 70 and one line of what is wrong."""
    where = places.from_environment()
    count = 0
    try:
        for name in modules(where.tree):
            __import__(name)
            count += 1
        told = settings.load(where)
    except Exception as error:  # noqa: BLE001 - any reason not to load is the answer
        sys.stdout.write("%s: %s\n" % (type(error).__name__, error))
        return BROKEN
    sys.stdout.write("%d modules load, settings of generation %s are read\n" % (count, told.generation))
    return 0


def modules(tree: "str") -> "Iterator[str]":
    """The names of all modules of a tree, `__main__` left out: importing one runs it."""
    for package in ("aami_slurm", "aami_xid"):
        for folder, folders, files in os.walk(os.path.join(tree, package)):
            folders.sort()
            inner = os.path.relpath(folder, tree).replace(os.sep, ".")
            for file in sorted(files):
                if file == "__init__.py":
                    yield inner
                elif file.endswith(".py") and file != "__main__.py":
                    yield inner + "." + file[:-3]
