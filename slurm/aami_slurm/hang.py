"""The verdict on a driver that does not answer. Silence alone is never a hung driver: the tool may be what hangs.

`driver-hung` when all of this is so: a probe is stuck for a minute, or two a minute apart were not answered and none
between; the one that is there survived SIGKILL; a control probe, which reads the same library and program and leaves
the device alone, ended in time; the driver had answered in this boot; nothing is under way that stops it on purpose.
What stays without an answer and is less than that is `probe-stuck`: the tool could not tell. One slow answer, even
one that was cut short, is neither.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

DRIVER_HUNG = "driver-hung"
PROBE_STUCK = "probe-stuck"
LONG = 60.0  # seconds
KEPT = 16  # looks
_HUNG = "no answer for %d s: process %d survived SIGKILL, while library and program can be read"


class Look:
    """One time the driver was asked. `stuck` is the probe of it that survived SIGKILL and lives ({"pid", "spawned"}),
    this look's or an older one; `control` whether the control probe was answered; `busy` what holds the driver on
    purpose. A look that is neither answered nor unanswered failed: it came back, and told nothing.
    """

    __slots__ = ("answered", "busy", "control", "now", "stuck", "unanswered")

    def __init__(
        self,
        now: "float",
        *,
        answered: "bool" = False,
        unanswered: "bool" = False,
        stuck: "Optional[Dict[str, Any]]" = None,
        control: "bool" = False,
        busy: "Optional[str]" = None,
    ) -> "None":
        self.now = now
        self.answered = answered
        self.unanswered = unanswered
        self.stuck = stuck
        self.control = control
        self.busy = busy


class Verdict:
    __slots__ = ("since", "verdict", "words")

    def __init__(self, verdict: "Optional[str]", since: "Optional[float]", words: "str") -> "None":
        self.verdict = verdict
        self.since = since
        self.words = words


def note(history: "Dict[str, Any]", look: "Look") -> "Dict[str, Any]":
    """The history with this look in it: when the driver `answered` last in this boot, the looks it left `unanswered`
    since then, when it was last `busy` on purpose. Silence while it is busy is none.
    """
    answered = look.now if look.answered else history["answered"]
    busy = look.now if look.busy else history["busy"]
    looks: "List[float]" = history["unanswered"] if look.unanswered and not look.busy else []
    if look.unanswered and not look.busy:
        looks = [*looks, look.now]
        looks = [looks[0], *looks[1:][-(KEPT - 1) :]]
    return {"answered": answered, "unanswered": looks, "busy": busy}


def judge(history: "Dict[str, Any]", look: "Look") -> "Verdict":
    """What a look means, with the history that it is already part of."""
    if not look.unanswered:
        return Verdict(
            None, None, "the driver answered" if look.answered else "the probe came back without an answer"
        )
    began = _since(history, look)
    waited = look.now - began
    why_not = _why_not(history, look, waited)
    if look.stuck is not None and not why_not:
        words = _HUNG % (waited, look.stuck["pid"])
        return Verdict(DRIVER_HUNG, began, words)
    known = history["answered"] is not None
    if waited >= LONG or (look.stuck is not None and known):
        return Verdict(
            PROBE_STUCK, began, "no answer for %d s; no hung driver: %s" % (waited, "; ".join(why_not))
        )
    return Verdict(None, began, "no answer yet, for %d s" % waited)


def _since(history: "Dict[str, Any]", look: "Look") -> "float":
    """From when on there was neither an answer nor a reason for none."""
    looks = history["unanswered"]
    began = looks[0] if looks else look.now
    if look.stuck is not None:
        began = min(began, look.stuck["spawned"])
    began = max([began] + [mono for mono in (history["busy"], history["answered"]) if mono is not None])
    return float(min(began, look.now))


def _why_not(history: "Dict[str, Any]", look: "Look", waited: "float") -> "List[str]":
    """What speaks against a hung driver."""
    return [
        words
        for speaks, words in (
            (look.busy, look.busy or ""),
            (waited < LONG, "that is less than %d s" % LONG),
            (look.stuck is None, "the probe could be ended"),
            (not look.control, "the control probe, which leaves the device alone, did not end either"),
            (history["answered"] is None, "the driver has not answered since boot"),
        )
        if speaks
    ]
