"""`aami-node serve`: the forced command of the head's pull. One verb from a fixed list, and nothing is ever changed.

    events BOOT_ID|- AFTER_SEQ LIMIT    journal lines of that boot (`-`: of this one) behind a number
    ledger BOOT_ID|- AFTER_SEQ LIMIT    ledger lines, the same way
    boots                               the boots of which this node still has lines
    inventory                           the GPUs of this boot
    status                              who this node is, and how far its journal goes

The request is SSH_ORIGINAL_COMMAND, or one line of standard input where nobody forced a command. An answer is JSON
lines, and its last line says that it is whole.
"""

import os
import sys

from aami_slurm import fast_json, inventory, log, node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Callable, Dict, Iterator, List

    from aami_slurm.node import Node

USAGE = 2
LONGEST = 256  # characters of a request
MOST = 10000  # lines of an answer
BOOT_CHARACTERS = frozenset("0123456789abcdef-")


def run(_options: "Namespace") -> "int":
    """Status 2 for a request that is none of the verbs: nothing of it is looked at further."""
    request = os.environ.get("SSH_ORIGINAL_COMMAND")
    if request is None:
        request = sys.stdin.readline(LONGEST + 1)
    words = request.split()
    if len(request) > LONGEST or not words or words[0] not in VERBS:
        return _refuse("verbs: %s" % ", ".join(sorted(VERBS)))
    here = node.from_environment("command", {})  # who logs in may bring variables
    try:
        lines = VERBS[words[0]](here, words[1:])
    except ValueError as error:
        return _refuse(str(error))
    count = 0
    for line in lines:
        sys.stdout.write(fast_json.dumps(line) + "\n")
        count += 1
    sys.stdout.write(fast_json.dumps({"end": True, "lines": count}) + "\n")
    return 0


def _refuse(words: "str") -> "int":
    sys.stderr.write("aami-node serve: %s\n" % words)
    return USAGE


def _events(here: "Node", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    return _lines(here, here.places.journal, words)


def _ledger(here: "Node", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    return _lines(here, here.places.ledger, words)


def _lines(here: "Node", folder: "str", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    if len(words) != 3 or not (words[1].isdigit() and words[2].isdigit()):  # noqa: PLR2004 - boot, number, limit
        raise ValueError("wanted: BOOT_ID|- AFTER_SEQ LIMIT")
    boot_id = here.boot_id if words[0] == "-" else words[0]
    if not BOOT_CHARACTERS.issuperset(boot_id):
        raise ValueError("no boot id: letters a-f, digits and dashes")
    return _bounded(log.lines_of(folder, boot_id, int(words[1])), min(int(words[2]), MOST))


def _bounded(lines: "Iterator[Dict[str, Any]]", limit: "int") -> "Iterator[Dict[str, Any]]":
    for count, line in enumerate(lines):
        if count == limit:
            return
        yield line


def _boots(here: "Node", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    _no_more(words)
    names = log.segments(here.places.journal) + log.segments(here.places.ledger)
    return ({"boot_id": boot_id} for boot_id in sorted({log.boot(name) for name in names}))


def _inventory(here: "Node", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    _no_more(words)
    found = inventory.load(here.places, here.boot_id)
    return iter(() if found is None else (found,))


def _status(here: "Node", words: "List[str]") -> "Iterator[Dict[str, Any]]":
    _no_more(words)
    told = {
        "node": here.name,
        "boot_id": here.boot_id,
        "generation": here.settings.generation,
        "journal_seq": _newest(here.places.journal, here.boot_id),
        "ledger_seq": _newest(here.places.ledger, here.boot_id),
        "wall": here.clock.wall(),
        "mono": here.clock.mono(),
    }
    return iter((told,))


def _newest(folder: "str", boot_id: "str") -> "int":
    newest = 0
    for line in log.lines_of(folder, boot_id):
        newest = max(newest, line["seq"])
    return newest


def _no_more(words: "List[str]") -> "None":
    if words:
        raise ValueError("this verb takes no words")


VERBS: "Dict[str, Callable[[Node, List[str]], Iterator[Dict[str, Any]]]]" = {
    "events": _events,
    "ledger": _ledger,
    "boots": _boots,
    "inventory": _inventory,
    "status": _status,
}
