"""Several entries on one page: the story they make, its root in full, the rest in brief."""

from aami_xid.guide import order, panel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_xid.guide.panel import Section

    Entry = Dict[str, Any]


def together(entries: "List[Entry]", model: "str" = "", brief: "bool" = False) -> "List[Section]":  # noqa: FBT001, FBT002 - the command's own flag
    """Sections of one entry, or of the stories that several make."""
    if len(entries) == 1:
        return panel.sections(entries[0], model, brief)
    found: "List[Section]" = []
    for story in order.stories(entries):
        if len(story) > 1:
            found.append(_outline(story))
        for place, (entry, _) in enumerate(story):
            found += panel.sections(entry, model, brief or place > 0)
    return found


def _outline(story: "List[Any]") -> "Section":
    rows = [("root", "%s: %s" % (panel.name(story[0][0]), story[0][0]["title"]))]
    for entry, why in story[1:]:
        rows.append(("then", "%s: %s%s" % (panel.name(entry), entry["title"], why and " (%s)" % why)))
    return "One story", rows
