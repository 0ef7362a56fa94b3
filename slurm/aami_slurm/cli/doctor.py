"""`aami-node doctor`: is everything in place for the hooks on this node? Each line says what was looked at."""

import os

from aami_slurm import check_tree, inventory, log, maintenance, node, policy, register
from aami_slurm.cli import memory, table, tool
from aami_slurm.clock import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Callable, Iterator, List, Tuple

    from aami_slurm.node import Node

    Line = Tuple[str, str, str]  # what, how it is, words

OK, PROBLEM, NOTE = "ok", "problem", "note"
HOOKS = ("prolog", "epilog", "health")
VOLATILE = ("tmpfs", "ramfs", "overlay")
OLD = 3600.0


def run(options: "Namespace") -> "int":
    """Status 1 if something is wrong."""
    here = node.from_environment("command")
    lines = [line for look in LOOKS for line in look(here)]
    if options.json:
        tool.say(
            {"node": here.name, "looks": [dict(zip(("what", "state", "words"), line)) for line in lines]}
        )
    else:
        table.show(("WHAT", "STATE", "WORDS"), lines, "")
    return 1 if any(line[1] == PROBLEM for line in lines) else 0


def _tree(here: "Node") -> "Iterator[Line]":
    where = here.places
    yield "generation", OK, "%s, node %s" % (here.settings.generation, here.name)
    try:
        count = len([__import__(name) for name in check_tree.modules(where.tree)])
        yield "code", OK, "%d modules load" % count
    except Exception as error:  # noqa: BLE001 - any reason not to load is the answer
        yield "code", PROBLEM, "%s: %s" % (type(error).__name__, error)
    for problem in policy.problems(here.settings.policy):
        yield "policy", PROBLEM, problem


def _launchers(here: "Node") -> "Iterator[Line]":
    for hook in HOOKS:
        path = "%s/%s" % (here.places.libexec, hook)
        if not os.access(path, os.X_OK):
            yield hook, PROBLEM, "%s is missing or not executable" % path
            continue
        same = _same(path, "%s/launchers/%s" % (here.places.tree, hook))
        yield hook, OK if same else NOTE, path if same else "%s is not the one of this generation" % path


def _same(first: "str", second: "str") -> "bool":
    try:
        with open(first, "rb") as one, open(second, "rb") as other:
            return one.read() == other.read()
    except OSError:
        return False


def _kernel_log(here: "Node") -> "Iterator[Line]":
    path = here.places.below(here.settings.kmsg)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        yield "kernel log", OK, path
    except OSError as error:
        yield "kernel log", PROBLEM, "%s: %s: no Xid is seen on this node" % (path, error.strerror)


def _state(here: "Node") -> "Iterator[Line]":
    where = here.places.state
    kind = _file_system(here, where)
    volatile = " (%s: it goes with the next boot, which is fine)" % kind if kind in VOLATILE else ""
    if not os.path.isdir(where):
        yield "state", NOTE, "%s: nothing was written yet" % where
    elif os.access(where, os.W_OK):
        yield "state", OK, where + volatile
    else:
        yield "state", PROBLEM if os.geteuid() == 0 else NOTE, "%s can't be written by this user" % where
    for name, folder in (("journal", here.places.journal), ("ledger", here.places.ledger)):
        damage = [
            one
            for segment in log.segments(folder)
            for one in log.parse(log.read(folder + "/" + segment), segment)[1]
        ]
        yield (
            name,
            NOTE if damage else OK,
            "%d segments, %d damaged lines" % (len(log.segments(folder)), len(damage)),
        )


def _file_system(here: "Node", path: "str") -> "str":
    """The kind of file system that a path is on, by the longest mount point above it."""
    from aami_slurm.probes import mounts

    try:
        rows = mounts.table(here.places)
    except OSError:
        return ""
    above = [point for point in rows if (path + "/").startswith(point.rstrip("/") + "/")]
    return str(rows[max(above, key=len)]["type"]) if above else ""


def _metrics(here: "Node") -> "Iterator[Line]":
    folder = here.settings.textfile
    if folder is None:
        yield "metrics", NOTE, "switched off"
        return
    path = here.places.below(folder)
    if not os.path.isdir(path):
        yield "metrics", PROBLEM, "%s is missing: node_exporter gets no series" % path
    else:
        yield "metrics", OK, path


def _slurm(here: "Node") -> "Iterator[Line]":
    for name, path in (("sinfo", here.settings.sinfo), ("scontrol", here.settings.scontrol)):
        found = os.access(path, os.X_OK)
        yield (
            name,
            OK if found else PROBLEM,
            path if found else "%s is missing: no drain from this node" % path,
        )


def _driver(here: "Node") -> "Iterator[Line]":
    found = inventory.load(here.places, here.boot_id)
    if found is None:
        yield "inventory", NOTE, "no look at the GPUs has succeeded in this boot yet: health makes it"
    else:
        gone = [gpu for gpu in found["gpus"] if not gpu["present"] and gpu["slurm_index"] is not None]
        words = "%d GPUs, generation %d of %s" % (len(found["gpus"]), found["generation"], found["made"])
        yield "inventory", PROBLEM if gone else OK, "%s, %d gone" % (words, len(gone)) if gone else words
    hang = register.hang_fact(here.places, here.clock)
    bad = hang is not None and hang.get("verdict")
    yield "driver", PROBLEM if bad else OK, (hang or {}).get("words") or "nothing is stuck"
    busy = maintenance.busy(here.places)
    if busy:
        yield "maintenance", NOTE, busy


def _runs(here: "Node") -> "Iterator[Line]":
    """When each hook ran last, as the snapshot of the hooks' own state has it."""
    last = memory.state(here).hooks
    for hook in HOOKS:
        if hook not in last:
            yield "%s ran" % hook, NOTE, "not in this boot"
            continue
        at = last[hook]["time"]
        late = hook == "health" and here.clock.wall() - at > OLD
        yield "%s ran" % hook, PROBLEM if late else OK, "%s, for %.3f s" % (stamp(at), last[hook]["seconds"])


LOOKS: "List[Callable[[Node], Iterator[Line]]]" = [
    _tree,
    _launchers,
    _kernel_log,
    _state,
    _metrics,
    _slurm,
    _driver,
    _runs,
]
