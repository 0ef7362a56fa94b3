"""A site's own checks: which files in /etc/aami-hpc/checks.d may run as root, what they get, and what they say.

A file runs only if it and every folder above it belong to root and nobody else can write to them: then nobody else
can swap it either. It says one JSON object, {"outcome": pass|warn|fail, "summary": …} with `code`, `gpu_uuid` and
`action` if it likes, or it ends with a status of Nagios (0 pass, 1 warn, 2 fail, 3 error) and its first line is the
summary. Anything else, silence above all, is `error`: a broken script must not look like a broken node.
"""

import os
import select
import stat
import time

from aami_slurm import fast_json
from aami_slurm.clock import stamp
from aami_slurm.finding import CONFIG, ERROR, FAIL, PASS, WARN, Finding
from aami_slurm.text import decode, plain
from aami_xid.weights import ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional, Tuple

    from aami_slurm.places import Places
    from aami_slurm.probe import Answer

PREFIX = "site-"
DEFAULTS: "Dict[str, Any]" = {"budget_s": 2.0, "effect": "allow-and-record", "limits": {}}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LARGEST = 8192  # bytes of what a check says
NAME_LENGTH = 40
SUMMARY = 200
CODE = 16
NOT_RUN = 127
NAGIOS = {0: PASS, 1: WARN, 2: FAIL, 3: ERROR}
_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PAUSE = 0.02


class Refused(Exception):  # noqa: N818 - the house's way to name errors
    """Root may not run this file."""


def name_of(path: "str") -> "str":
    """The name of a file's check: `site-` and the file's own in lower case, what fits no name as `-`."""
    own = os.path.basename(path).lower().partition(".")[0][:NAME_LENGTH]
    return PREFIX + ("".join(char if char in _IN_NAMES else "-" for char in own).strip("-") or "check")


def find(places: "Places") -> "Tuple[List[Tuple[str, str]], List[Tuple[str, str]]]":
    """([(name, path)] of the files that may run, [(path, why)] of the others). Hidden files are none of either."""
    accepted: "List[Tuple[str, str]]" = []
    refused: "List[Tuple[str, str]]" = []
    try:
        files = _files(places.site_checks)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [(places.site_checks, str(error))]
    taken = set()
    for path in [places.site_checks + "/" + file for file in files]:
        name = name_of(path)
        why = "another file has the name %s, too" % name if name in taken else _trouble(path, places.root)
        if why:
            refused.append((path, why))
        else:
            taken.add(name)
            accepted.append((name, path))
    return accepted, refused


def _trouble(path: "str", root: "str") -> "str":
    try:
        examine(path, root)
    except Refused as error:
        return str(error)
    return ""


def examine(path: "str", root: "str" = "") -> "None":
    """Refused unless only root can change the file or swap it. What is above `root`, the test seam, is root's choice."""
    parts = path[len(root) :].split("/")
    for depth in range(1, len(parts) + 1):
        place = root + "/".join(parts[:depth]) or "/"
        try:
            found = os.lstat(place)
        except OSError as error:
            raise Refused("%s: %s" % (place, error.strerror)) from None
        last = depth == len(parts)
        if not (stat.S_ISREG(found.st_mode) if last else stat.S_ISDIR(found.st_mode)):
            raise Refused("%s is no %s (links aren't followed)" % (place, "file" if last else "folder"))
        if found.st_uid != 0:
            raise Refused("%s does not belong to root" % place)
        if found.st_mode & _OTHERS_WRITE:
            raise Refused("others than root can write to %s" % place)
        if last and not found.st_mode & stat.S_IXUSR:
            raise Refused("%s is not executable" % place)


def run(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """The finding of one check, as Finding.to_dict: the work of a probe, whose session the program stays in.

    So the program ends with the probe, at the probe's deadline or as soon as it has said its word.
    """
    path = ask["path"]
    why = _trouble(path, ask.get("root") or "")  # again: the look at the folder was a while ago
    if why:
        found = refusal(path, why)
        found.check = name_of(path)  # it was to run: the name is its own
        return found.to_dict()
    status, out, err = _execute(path, _environment(ask))
    found = read(status, out, err)
    found.check = name_of(path)
    found.code = found.code or found.check[len(PREFIX) :][:CODE]
    found.evidence.update(time=stamp(time.time()), mono_us=int(time.monotonic() * 1000000))
    return found.to_dict()


def read(status: "int", out: "bytes", err: "bytes" = b"") -> "Finding":
    """What a check says. -N is signal N."""
    text = decode(out).strip()
    if text.startswith("{"):
        return _json(status, text)
    outcome = NAGIOS.get(status)
    first = plain(text.partition("\n")[0].partition("|")[0], SUMMARY)
    if outcome is None or (outcome != PASS and not first):
        # A shell that can't read its script ends with 2, an exception of Python with 1, and neither says a line.
        told = "it ended by signal %d" % -status if status < 0 else "it ended with status %d" % status
        said = first or plain(decode(err).strip().rpartition("\n")[2], SUMMARY) or "nothing"
        return _found(ERROR, "%s and said: %s" % (told, said), text or decode(err))
    return _found(outcome, first or "ok", text)


def refusal(path: "str", why: "str") -> "Finding":
    """The finding about a file that was not run."""
    found = _found(CONFIG, "not run: %s" % plain(why, SUMMARY), "%s: %s" % (path, why))
    found.check, found.code = _name_of_refused(path), "refused"
    return found


def _name_of_refused(path: "str") -> "str":
    """Its name; with its number behind it where several files share that: what runs by the name must not be told of
    together with what doesn't. No check's own name has a dot.
    """
    folder, file = os.path.split(path)
    try:
        alike = [one for one in _files(folder) if name_of(one) == name_of(file)]
    except OSError:
        alike = []
    shared = file in alike and len(alike) > 1
    return "%s.%d" % (name_of(path), alike.index(file) + 1) if shared else name_of(path)


def _files(folder: "str") -> "List[str]":
    return sorted(file for file in os.listdir(folder) if not file.startswith("."))


def finding(name: "str", answer: "Answer") -> "Finding":
    """The finding of a probe that did `run`, whether it came back or not."""
    from aami_slurm.finding import from_dict

    if answer.kind == "answered":
        return from_dict(answer.value)
    found = _found(ERROR, plain(answer.words, SUMMARY), answer.words)
    found.check, found.code = name, "no-answer"
    return found


def _json(status: "int", text: "str") -> "Finding":
    try:
        told = fast_json.loads(text)
    except fast_json.NotJson as error:
        return _found(ERROR, "what it said is no JSON: %s" % plain(str(error), 80), text)
    if status != 0:
        return _found(ERROR, "it said JSON and ended with status %d: one of them is wrong" % status, text)
    if told.get("outcome") not in (PASS, WARN, FAIL):
        return _found(
            ERROR, "its outcome is %s: not pass, warn or fail" % plain(repr(told.get("outcome")), 40), text
        )
    wrong = [
        key for key in ("summary", "code", "gpu_uuid", "action") if not isinstance(told.get(key, ""), str)
    ]
    if wrong or not plain(told.get("summary", ""), SUMMARY):
        return _found(ERROR, "no text in what it said: %s" % (", ".join(wrong) or "summary"), text)
    found = _found(told["outcome"], plain(told["summary"], SUMMARY), text)
    if told.get("action", "none") not in ACTIONS:
        return _found(ERROR, "there is no action %s" % plain(told["action"], 40), text)
    found.gpu_uuid = plain(told.get("gpu_uuid", ""), 64) or None
    found.action = told.get("action")
    found.code = plain(told.get("code", ""), CODE).lower().replace(" ", "-")
    return found


def _found(outcome: "str", summary: "str", raw: "str") -> "Finding":
    evidence = {"source": "site", "raw": plain(raw, 400), "time": None, "mono_us": None}
    return Finding(outcome, summary, code="", evidence=evidence)


def _environment(ask: "Dict[str, Any]") -> "Dict[str, str]":
    """All that the program gets to know. What is not so, such as the job of a health run, is empty."""
    told = {"PATH": PATH, "LC_ALL": "C"}
    for key in ("node", "phase", "job_id", "uid"):
        told["AAMI_" + key.upper()] = "" if ask.get(key) is None else str(ask[key])
    told["AAMI_GPU_UUIDS"] = ",".join(ask.get("gpu_uuids") or ())
    return told


def _execute(path: "str", environment: "Dict[str, str]") -> "Tuple[int, bytes, bytes]":
    """(status, output, errors). No shell, nothing on its input, and of what it says no more than LARGEST is kept."""
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(path, environment, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    said = {out: bytearray(), err: bytearray()}
    poller = select.poll()
    for reader in said:
        poller.register(reader, select.POLLIN)
    status: "Optional[int]" = None
    while status is None:
        _hear(poller, said, _PAUSE)
        ended, how = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = -os.WTERMSIG(how) if os.WIFSIGNALED(how) else os.WEXITSTATUS(how)
    # What it left running may hold the pipes open: only what has been said by now counts.
    while _hear(poller, said, 0):
        pass
    return status, bytes(said[out]), bytes(said[err])


def _hear(poller: "select.poll", said: "Dict[int, bytearray]", seconds: "float") -> "bool":
    """Take what is there; whether there was anything."""
    heard = False
    for reader, _ in poller.poll(int(seconds * 1000)):
        piece = os.read(reader, LARGEST)
        said[reader] += piece[: LARGEST - len(said[reader])]
        heard = heard or bool(piece)
        if not piece:
            poller.unregister(reader)
    return heard


def _become(path: "str", environment: "Dict[str, str]", out: "int", err: "int") -> "NoReturn":
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir("/")
        os.umask(0o077)
        os.execve(path, [path], environment)  # noqa: S606 - a shell is what must not be there
    except OSError as error:
        os.write(2, ("%s: %s" % (path, error.strerror)).encode("utf-8", "backslashreplace"))
    finally:
        os._exit(NOT_RUN)
