"""One entry of the catalogue as sections: severity first, sources last."""

from aami_xid.guide.words import ACTIONS, AFFECTS, NAMES, REPEATS, STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    Entry = Dict[str, Any]
    Rows = List[Tuple[str, str]]  # a lead and words
    Section = Tuple[str, Rows]  # the first section has no title; its first lead is the severity


_GENERATIONS = {"xid": "By generation", "sxid": "How the driver logs it"}


def sections(entry: "Entry", model: "str" = "", brief: "bool" = False) -> "List[Section]":  # noqa: FBT001, FBT002 - the command's own flag
    """All sections that have words; `model` is a generation, `brief` stops after what to do now."""
    actions = entry["actions"]
    found: "List[Section]" = [
        ("", _head(entry)),
        ("Meaning", [("", entry["meaning"])]),
        ("Usual causes", [(cause["likelihood"], cause["text"]) for cause in entry["causes"]]),
        ("Do now", numbered(actions["now"])),
    ]
    if not brief:
        found += _more(entry, model)
    elif model:
        found += [("On %s" % model, _on(entry, model))]
    return [(title, rows) for title, rows in found if rows]


def name(entry: "Entry") -> "str":
    return "%s %d" % (NAMES[entry["kind"]], entry["code"])


def numbered(texts: "List[str]") -> "Rows":
    if len(texts) == 1:
        return [("", texts[0])]
    return [("%d." % number, text) for number, text in enumerate(texts, 1)]


def _head(entry: "Entry") -> "Rows":
    rows = [
        (entry["severity"].upper(), "%s: %s" % (name(entry), entry["title"])),
        ("", " ".join(part for part in (_affected(entry), ACTIONS[entry["action"]]) if part)),
    ]
    origin = ", ".join(part for part in (entry.get("mnemonic"), _standing(entry)) if part)
    return [*rows, ("", origin)] if origin else rows


def _affected(entry: "Entry") -> "str":
    if not entry["affects"]:
        return ""
    return "Affects %s." % " and ".join(AFFECTS[what] for what in entry["affects"])


def _standing(entry: "Entry") -> "str":
    if entry["kind"] == "xid" or entry["status"] == "unknown":
        return STATUSES[entry["status"]]
    scope = {"port": ", one port", "switch": ", the whole switch"}.get(entry["scope"], "")
    return "unit %s of the NVSwitch%s" % (entry["unit"], scope)


def _more(entry: "Entry", model: "str") -> "List[Section]":
    repeats = entry["actions"]["if_repeats"]
    nvidia = entry.get("nvidia") or {}
    buckets = [("at once", nvidia.get("immediate")), ("then", nvidia.get("investigatory"))]
    return [
        ("Collect first, a reset destroys it", [("-", text) for text in entry.get("evidence", ())]),
        ("If it repeats", [(REPEATS.get(where, where), text) for where, text in repeats.items()]),
        ("Tell the user", [("", entry["tell_user"])] if entry.get("tell_user") else []),
        ("On %s" % model, _on(entry, model)) if model else (_GENERATIONS[entry["kind"]], _generations(entry)),
        ("Fabric manager", _fabric_manager(entry.get("fabric_manager"))),
        ("Related", [(called(one), _why(one)) for one in entry["related"]]),
        ("NVIDIA's own buckets", [(when, bucket) for when, bucket in buckets if bucket]),
        ("Sources", [("-", source) for source in entry["sources"]]),
        ("Our judgement, not NVIDIA's", [("", ", ".join(entry["judged"]))] if entry["judged"] else []),
    ]


def _fabric_manager(told: "Optional[Dict[str, str]]") -> "Rows":
    return [(told["class"].replace("_", " "), told["recovery"])] if told else []


def _generations(entry: "Entry") -> "Rows":
    told: "Dict[str, str]" = entry.get("generations", entry.get("driver")) or {}
    return list(told.items())


def _on(entry: "Entry", model: "str") -> "Rows":
    text: "Optional[str]" = dict(_generations(entry)).get(model)
    return [("", text or "No difference is known.")]


def called(one: "Dict[str, Any]") -> "str":
    """The name of a related code."""
    number = str(one["code"])
    return "SXid %s" % number if one.get("kind") == "sxid" else number


def _why(one: "Dict[str, Any]") -> "str":
    order = {"before": "before it", "with": "beside it", "after": "after it"}
    return "%s: %s" % (order.get(one["order"], one["order"]), one["why"])
