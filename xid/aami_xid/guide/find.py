"""Entries that fit: by severity, by whom they affect, by action, and by the words people search."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

    Entry = Dict[str, Any]


def find(
    entries: "Iterable[Entry]",
    severity: "str" = "",
    affects: "str" = "",
    action: "str" = "",
    search: "str" = "",
) -> "List[Entry]":
    """Every word of `search` has to begin a word of the entry. The best come first where words are searched."""
    wanted = _words(search).split()
    fitting = [
        entry
        for entry in entries
        if severity in {"", entry["severity"]}
        and action in {"", entry["action"]}
        and (not affects or affects in entry["affects"])
        and _has(_text(entry), wanted)
    ]
    return sorted(fitting, key=lambda entry: _distance(entry, wanted)) if wanted else fitting


def _text(entry: "Entry") -> "str":
    causes = [cause["text"] for cause in entry["causes"]]
    parts = [_name(entry), entry["meaning"], *causes, *_tags(entry)]
    return _words(" ".join(parts))


def _words(text: "str") -> "str":
    """Lower case, apart by single blanks, one in front: so ` row` is found in `rows`, and not in `throws`."""
    kept = "".join(char if char.isalnum() else " " for char in text.lower())
    return " " + " ".join(kept.split())


def _has(text: "str", wanted: "List[str]") -> "bool":
    return all(" " + word in text for word in wanted)


def _name(entry: "Entry") -> "str":
    return "%s %d %s %s" % (entry["kind"], entry["code"], entry["title"], entry["mnemonic"] or "")


def _tags(entry: "Entry") -> "List[str]":
    return list(entry.get("words", ()))


def _distance(entry: "Entry", wanted: "List[str]") -> "int":
    """0 where the words stand together in a tag or the name, 1 where each is in the name or a tag, else 2."""
    names = [_words(text) for text in (_name(entry), *_tags(entry))]
    if any(" " + " ".join(wanted) in text for text in names):
        return 0
    return 1 if _has(" ".join(names), wanted) else 2
