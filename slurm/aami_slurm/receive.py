"""What the head node runs on this node: look at the generations here, install one, switch, remove. It comes as text
over SSH with its two helpers, so it works where nothing of ours is yet, and judges a tree that may be damaged.

Until the switch nothing but names of our own beginning with a dot has changed; what goes wrong after it is undone.
"""

import contextlib
import hashlib
import json
import os
import re
import sys

from aami_slurm.receive_files import (
    LARGEST,
    beside,
    drop,
    link,
    nearest,
    place,
    read,
    run,
    settle,
    sources,
    sync,
    write,
)
from aami_slurm.receive_site import (
    DIFFERS,
    GENERATION,
    LAUNCHERS,
    LEFT,
    MISSING,
    OURS,
    SYSTEMCTL,
    TIMER,
    UNITS,
    Site,
    Trouble,
    compiled,
    damage,
    last_runs,
    manifest,
    same_file,
    sha256,
    version,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    Order = Dict[str, Any]

PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z")
SELF_TEST = 30.0
WANTS = "timers.target.wants/" + TIMER
CHANGES = frozenset({MISSING, DIFFERS})


def look(site: "Site", order: "Order") -> "Dict[str, Any]":
    """What is here, read back."""
    name = site.current()
    tree = site.tree(name) if name else ""
    told = manifest(tree) if tree else None
    folder = nearest(site.library)
    space = os.statvfs(folder)
    return {
        "ok": True,
        "python": sys.executable,
        "version": version(),
        "uid": os.geteuid(),
        "generation": name,
        "content": (told or {}).get("content"),
        "manifest": sha256(tree + "/manifest.json") if tree else None,
        "damage": damage(tree, told) if tree else [],
        "compiled": bool(tree) and all(map(compiled, sources(tree))),
        "launchers": {what: site.launcher(path, tree) for what, path in site.launchers()},
        "units": {what: site.unit(what, tree) for what in UNITS},
        "timer": site.timer(tree),
        "node_name": read(site.etc + "/node-name")[:256].decode("ascii", "replace") or None,
        "node_json": bool(tree) and same_file(site.etc + "/node.json", tree + "/node.json"),
        "previous": site.chain(),
        "generations": site.generations(),
        "free": space.f_bavail * space.f_frsize,
        "writable": os.access(folder, os.W_OK),
        "there": {path: os.path.exists(path) for path in order.get("look_for", ())},
        "hooks": last_runs(site.root),
    }


def install(site: "Site", order: "Order") -> "Dict[str, Any]":
    """Unpack, check, compile and try the tree out beside the others; only then put it in force."""
    name, upload = str(order["generation"]), str(order["upload"])
    incoming = "%s/.incoming.aami-%s-%d" % (site.library, name, os.getpid())
    try:
        with site.alone():
            if not GENERATION.match(name) or name == site.current():
                raise Trouble("%s is no name for a new generation" % name[:64])
            site.step = "unpack"
            _unpack(upload, str(order["digest"]), incoming)
            if (manifest(incoming) or {}).get("generation") != name:
                raise Trouble("it is another generation than was announced")
            _ready(site, incoming, site.tree(name))
            site.step = "store"
            write(incoming + "/previous", (site.current() or "").encode("ascii") + b"\n")
            settle(incoming)
            _retire(site, name)
            os.rename(incoming, site.tree(name))
            sync(site.library)
            _enforce(site, name, str(order["node"] or ""))
            site.step = "tidy"
            kept = {name, *site.chain()[: max(0, int(order["keep"]) - 1)]}
            for old in set(site.generations()) - kept:
                _retire(site, old)
    finally:
        drop(incoming)
        drop(upload)
    return look(site, order)


def switch(site: "Site", order: "Order") -> "Dict[str, Any]":
    """Put a generation in force that is here already: the one named, or the one before."""
    site.step = "find"
    now = site.current()
    to = order.get("to") or (site.before(now) if now else None)
    if not to:
        raise Trouble("there is no generation to go back to")
    if to not in site.generations():
        raise Trouble("%s is not here; there are %s" % (to, ", ".join(site.generations()) or "none"))
    with site.alone():
        site.step = "check"
        tree = site.tree(to)
        broken = damage(tree, manifest(tree))
        if broken:
            raise Trouble("%s is damaged: %s" % (to, broken[0]))
        if to != site.current():
            _ready(site, tree, tree)
            settle(tree)
            _enforce(site, to, str(order["node"] or ""))
    return look(site, order)


def remove(site: "Site", order: "Order") -> "Dict[str, Any]":
    """Launchers first: from then on no hook of ours begins. What the node has recorded stays."""
    if os.path.isdir(site.library):
        with site.alone():
            site.step = "remove"
            _units(site, "")
            for _, path in site.launchers():
                drop(path)
            for path in (site.library + "/current", site.etc + "/node.json", site.etc + "/node-name"):
                drop(path)
            for name in site.generations():
                _retire(site, name)
            drop(site.library + "/.lock")
    for folder in (site.library, site.root + LAUNCHERS[0][1], site.etc):
        with contextlib.suppress(OSError):  # it is not there, or holds what is not ours: checks of the site
            os.rmdir(folder)
    return look(site, order)


def _unpack(upload: "str", digest: "str", incoming: "str") -> "None":
    """Only plain files that the manifest names, at paths that stay inside, each as the manifest has its sum."""
    import io
    import tarfile

    packed = read(upload)
    if hashlib.sha256(packed).hexdigest() != digest:
        raise Trouble("it is not what was sent: its checksum differs")
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        members = {member.name: member for member in archive}
        if not all(member.isfile() and PATH.match(name) for name, member in members.items()):
            raise Trouble("it holds a path that leads elsewhere, or something that is no plain file")
        if sum(member.size for member in members.values()) > LARGEST:
            raise Trouble("it is larger than %d bytes" % LARGEST)
        for name, member in members.items():
            source = archive.extractfile(member)
            os.makedirs(os.path.dirname(incoming + "/" + name), exist_ok=True)
            mode = 0o755 if member.mode & 0o100 else 0o644
            write(incoming + "/" + name, source.read() if source else b"", mode=mode)
    broken = damage(incoming, manifest(incoming))
    if broken:
        raise Trouble(broken[0])


def _ready(site: "Site", tree: "str", final: "str") -> "None":
    """Compile with the interpreter that will run it, and let the tree try itself out."""
    site.step = "compile"
    for path in sources(tree):
        _compile(path, final + path[len(tree) :])
    write(tree + "/python", sys.executable.encode("utf-8", "surrogateescape") + b"\n")
    site.step = "self-test"
    argv = [sys.executable, "-I", "-S", "-B", tree + "/run.py", "check-tree"]
    status, said = run(argv, SELF_TEST, {"AAMI_ROOT": site.root} if site.root else {})
    if status != 0:
        ended = "ended with %d" % status if status is not None else "failed"
        raise Trouble("the tree's own test %s%s" % (ended, ": " + said[-300:] if said else ""))


def _compile(path: "str", final: "str") -> "None":
    import py_compile

    how: "Dict[str, Any]" = {"doraise": True}
    modes = getattr(py_compile, "PycInvalidationMode", None)  # 3.6 goes by the time of the file
    if modes is not None:  # stays good when an image tool or a copy changes times
        how["invalidation_mode"] = modes.UNCHECKED_HASH
    try:
        py_compile.compile(path, dfile=final, **how)
    except py_compile.PyCompileError as error:
        raise Trouble("Python %s: %s" % (version(), " ".join(error.msg.split())[-300:])) from None


def _enforce(site: "Site", name: "str", node: "str") -> "None":
    """The switch. All that needs space, for the way back too, is done before it."""
    site.step = "switch"
    tree = site.tree(name)
    staged = _staged(site, tree)
    os.makedirs(site.etc, exist_ok=True)
    if node and read(site.etc + "/node-name") != (node + "\n").encode("ascii"):
        place(site.etc + "/node-name", (node + "\n").encode("ascii"))
    if not os.path.islink(site.etc + "/node.json"):
        link(site.etc + "/node.json", "../../usr/lib/aami-hpc/current/node.json")
    back = _way_back(site, [path for _, path in staged])
    try:
        site.point(name)
        _put(staged)
        _units(site, tree)
    except BaseException:
        _undo(back)
        raise
    for kept, _ in back:
        drop(kept)


def _way_back(site: "Site", launchers: "List[str]") -> "List[Tuple[str, str]]":
    """What is in force now, kept under names beside it; an empty name where there is nothing now."""
    back = []
    for path in [site.library + "/current", *launchers]:
        kept = ""
        if os.path.lexists(path):
            kept = "%s/.%s.aami-before" % os.path.split(path)
            drop(kept)
            os.link(path, kept, follow_symlinks=False)
        back.append((kept, path))
    return back


def _undo(back: "List[Tuple[str, str]]") -> "None":
    for kept, path in back:
        if kept:
            os.rename(kept, path)
        else:
            drop(path)
        with contextlib.suppress(OSError):  # the names are right; a disk that is full or failing says so once
            sync(os.path.dirname(path))


def _staged(site: "Site", tree: "str") -> "List[Tuple[str, str]]":
    """Each launcher that is to change, safe on disk beside its place."""
    staged = []
    for name, path in site.launchers():
        if site.launcher(path, tree) in CHANGES:
            if os.path.isdir(path):
                raise Trouble("%s is a folder" % path)
            staged.append((beside(path, read("%s/launchers/%s" % (tree, name)), mode=0o755), path))
    return staged


def _put(staged: "List[Tuple[str, str]]") -> "None":
    for temporary, path in staged:
        os.rename(temporary, path)
        sync(os.path.dirname(path))


def _units(site: "Site", tree: "str") -> "None":
    """The timer that runs health where Slurm calls another program; enabled as systemctl would, also in an image."""
    states = {what: site.unit(what, tree) for what in UNITS}
    link_to, changed = site.units + "/" + WANTS, bool(set(states.values()) & {*CHANGES, LEFT})
    for what, state in states.items():
        path = site.units + "/" + what
        if state == DIFFERS and not read(path).startswith(OURS):
            raise Trouble("%s is not ours" % path)
        if state in CHANGES:
            place(path, read(tree + "/units/" + what))
    if LEFT in states.values():
        if site.has_systemd():
            run(["systemctl", "stop", TIMER], SYSTEMCTL)
        for path in [link_to, *(site.units + "/" + what for what, state in states.items() if state == LEFT)]:
            drop(path)
    elif tree and os.path.exists(tree + "/units/" + TIMER) and not os.path.islink(link_to):
        os.makedirs(os.path.dirname(link_to), exist_ok=True)
        link(link_to, "../" + TIMER)
    if changed and site.has_systemd():
        run(["systemctl", "daemon-reload"], SYSTEMCTL)
    active = site.timer(tree)
    if active is False or (active and changed):  # whether it runs then is read back by `look`
        run(["systemctl", "restart", TIMER], SYSTEMCTL)


def _retire(site: "Site", name: "str") -> "None":
    """Remove a generation. Its name goes first: what is left of it then is nothing to go back to."""
    if os.path.lexists(site.tree(name)):
        gone = "%s/.gone.aami-%s-%d" % (site.library, name, os.getpid())
        os.rename(site.tree(name), gone)
        drop(gone)


VERBS: "Dict[str, Callable[[Site, Order], Dict[str, Any]]]" = {
    "look": look,
    "install": install,
    "switch": switch,
    "remove": remove,
}


def main(words: "str") -> "None":
    """Carry out one order, a JSON object, and print one line of JSON: what was observed, or what stopped it."""
    order = json.loads(words)
    site = Site(order.get("root", "").rstrip("/"))
    os.umask(0o022)
    try:
        answer = VERBS[order["verb"]](site, order)
    except Trouble as trouble:
        answer = _stopped(site, str(trouble))
    except OSError as error:
        where = " (%s)" % error.filename if error.filename else ""
        answer = _stopped(site, "%s%s" % (error.strerror or error, where))
    except Exception as error:  # noqa: BLE001 - the head is told, whatever it was
        answer = _stopped(site, "%s: %s" % (type(error).__name__, error))
    print(json.dumps(answer))


def _stopped(site: "Site", why: "str") -> "Dict[str, Any]":
    """Which step it was, why, and what is in force now: read back, not assumed. Without the numbers of processes in
    our own names, so that equal trouble has equal words on all nodes.
    """
    why = re.sub(r"\.aami-[^/\s)]*", "", why)
    return {"ok": False, "step": site.step, "detail": why, "generation": site.current()}
