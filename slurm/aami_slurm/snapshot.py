"""What journal and ledger add up to, kept on tmpfs so that a hook need not read them: a cache that may always vanish."""

from aami_slurm import fast_json
from aami_slurm.files import write_atomic
from aami_slurm.log import Log, encode
from aami_slurm.state import Journal, Ledger, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Type, TypeVar, Union

    from aami_slurm.log import Line

    Part = TypeVar("Part", Journal, Ledger)

SCHEMA = "aami.state/1"
PARTS = ("journal", "ledger")
SPOILT = (KeyError, TypeError, ValueError, AttributeError)  # what a document of another shape leads to


class Snapshot:
    """Below /run: `state.json`, and `seq` with the highest numbers given, which outlive a disk that was wiped."""

    def __init__(self, folder: "str", boot_id: "str") -> "None":
        self._state = folder + "/state.json"
        self._seq = folder + "/seq"
        self._boot_id = boot_id

    def restore(self, journal: "Log", ledger: "Log") -> "State":
        """The state of now: what was kept, and the lines written since. Without it, what the logs themselves say."""
        kept = self._kept()
        numbers = self._document(self._seq)
        state = State(notes=kept.get("notes"))
        state.journal = fold(journal, Journal, kept.get("journal"), _number(numbers, "journal"))
        state.ledger = fold(ledger, Ledger, kept.get("ledger"), _number(numbers, "ledger"))
        return state

    def save(self, state: "State", journal: "Log", ledger: "Log") -> "None":
        kept: "Dict[str, Any]" = {"schema": SCHEMA, "boot_id": self._boot_id, "notes": state.notes()}
        if not journal.damage:  # else the next to open it must see the damage, too
            kept["journal"] = _part(journal, state.journal)
        if not ledger.damage:
            kept["ledger"] = _part(ledger, state.ledger)
        numbers = {"boot_id": self._boot_id, "journal": state.journal.seq, "ledger": state.ledger.seq}
        write_atomic(self._seq, encode(numbers), fsync=False, mode=0o600, alone=True)
        write_atomic(self._state, encode(kept), fsync=False, mode=0o600, alone=True)

    def _kept(self) -> "Dict[str, Any]":
        """The snapshot, if there is a sound one of this boot."""
        told = self._document(self._state)
        if told.get("schema") != SCHEMA:
            return {}
        try:
            State(told["notes"])
            for name in PARTS:
                if name in told:
                    int(told[name]["size"] + told[name]["state"]["seq"])
        except SPOILT:
            return {}
        return told

    def _document(self, path: "str") -> "Dict[str, Any]":
        try:
            with open(path, "rb", buffering=0) as source:
                told = fast_json.loads(source.read().decode("ascii"))
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) and told.get("boot_id") == self._boot_id else {}


def _number(numbers: "Dict[str, Any]", name: "str") -> "int":
    told = numbers.get(name)
    return told if isinstance(told, int) else 0


def _part(log: "Log", part: "Union[Journal, Ledger]") -> "Line":
    return {"segment": log.segment, "size": log.size, "state": part.to_dict()}


def fold(log: "Log", kind: "Type[Part]", kept: "Optional[Line]" = None, highest: "int" = 0) -> "Part":
    """One part of the state: from what was kept or a segment's header, whichever is newer, and the lines behind it."""
    kept = kept or {}
    header, lines = log.load(kept.get("segment"), kept.get("size", 0))
    base = kept.get("state")
    if header is not None and (base is None or header["seq"] > base["seq"]):
        base = header
    part = kind(base)
    refused = [line for line in lines if not _applied(part, line)]
    if refused:
        log.spoilt()
    part.seq = max(part.seq, log.first() - 1, highest)
    return part


def _applied(part: "Union[Journal, Ledger]", line: "Line") -> "bool":
    try:
        part.apply(line)
    except SPOILT:
        return False
    return True
