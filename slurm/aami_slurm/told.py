"""What the journal has been told already in this boot, so that a fault that stays is one line and not one per hook.

A cache on tmpfs: without it the journal says a thing once more, and nothing is lost.
"""

from aami_slurm import fast_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.finding import Finding
    from aami_slurm.places import Places
    from aami_slurm.verdict import Decision

MOST_TROUBLE = 16


class Told:
    """Read once, changed in memory, saved if it changed: from the first to the last under the book's lock."""

    def __init__(self, places: "Places") -> "None":
        self._path = places.run + "/told.json"
        self._known: "Dict[str, Any]" = _read(self._path)
        self._changed = False

    def news(self, check: "str", findings: "List[Finding]", *, whole: "bool") -> "List[Finding]":
        """Those of a check's findings that were not told before; from now on they are. `whole`: it looked at the
        whole node, so what it no longer says is over; else it looked at one job's GPUs and says nothing of others.
        """
        before = self._known.setdefault("checks", {}).get(check, {})
        after = {} if whole else dict(before)
        after.update((_subject(finding), _told(finding)) for finding in findings)
        if after and after != before:
            self._known["checks"][check] = after
            self._changed = True
        return [finding for finding in findings if before.get(_subject(finding)) != _told(finding)]

    def is_over(self, check: "str", findings: "List[Finding]") -> "bool":
        """Whether this check had said something and has nothing to say now."""
        known = self._known.setdefault("checks", {})
        if findings or check not in known:
            return False
        del known[check]
        self._changed = True
        return True

    def decision(self, decision: "Decision") -> "Optional[int]":
        """The journal's number of the same decision, if it was the last one told."""
        known = self._known.get("decision") or {}
        return known.get("seq") if known.get("what") == _what(decision) else None

    def decided(self, decision: "Decision", seq: "int") -> "None":
        self._known["decision"] = {"what": _what(decision), "seq": seq}
        self._known.pop("drain", None)
        self._changed = True

    def undecided(self) -> "None":
        """Nothing is decided any more: the next decision is a new one, whatever it says."""
        if self._known.pop("decision", None) is not None:
            self._known.pop("drain", None)
            self._changed = True

    def drain_begins(self, decision: "Decision") -> "Optional[str]":
        """How the drain of this decision ended last. From now on that is not known: who is killed on the way must not
        be taken for one who saw it through.
        """
        last = self.last_drain(decision)
        if self._known.pop("drain", None) is not None:
            self._known["before"] = [*_what(decision), last]
            self._changed = True
        return last

    def same_drain(self, decision: "Decision", result: "Dict[str, Any]") -> "bool":
        known = self._known.get("drain") or self._known.get("before") or []
        return bool(known[: len(_what(decision)) + 1] == [*_what(decision), result["outcome"]])

    def last_drain(self, decision: "Decision") -> "Optional[str]":
        """How the drain of this same decision ended last, if there was one."""
        known = self._known.get("drain") or []
        return str(known[-1]) if known[:-1] == _what(decision) else None

    def drained(self, decision: "Decision", result: "Dict[str, Any]") -> "None":
        self._known.pop("before", None)
        self._known["drain"] = [*_what(decision), result["outcome"]]
        self._changed = True

    def trouble(self, words: "str") -> "bool":
        """Whether these words of trouble were not told before; from now on they are."""
        known = self._known.setdefault("trouble", [])
        if words in known:
            return False
        known.append(words)
        del known[:-MOST_TROUBLE]
        self._changed = True
        return True

    def save(self) -> "None":
        if self._changed:
            from aami_slurm.files import write_atomic

            write_atomic(self._path, fast_json.dumps(self._known).encode("ascii"), fsync=False, alone=True)
            self._changed = False


def _read(path: "str") -> "Dict[str, Any]":
    try:
        with open(path, "rb") as source:
            told = fast_json.loads(source.read().decode("ascii"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _subject(finding: "Finding") -> "str":
    """What it is about. Of the node that is in the summary's first words, where numbers change from look to look."""
    if finding.gpu_uuid:
        return "%s %s" % (finding.gpu_uuid, finding.code)
    about = finding.summary.partition(":")[0]
    if not about.startswith("/"):
        about = "".join(char for char in about if char not in "0123456789")
    return "node %s %s" % (finding.code, about)


def _told(finding: "Finding") -> "List[Any]":
    """What makes a finding another one than before: its outcome, and the journalled line it rests on."""
    return [finding.outcome, finding.evidence.get("seq")]


def _what(decision: "Decision") -> "List[Any]":
    newest = max((finding.evidence.get("seq") or 0 for finding in decision.fails), default=0)
    return [decision.verdict, decision.would, decision.code, decision.gpu, newest]
