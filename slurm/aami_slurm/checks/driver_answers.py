"""driver-answers: whether the NVIDIA driver answers at all, by the register of probes that did not come back."""

from aami_slurm.checks._reading import Garbled, each, say, word
from aami_slurm.finding import ERROR, FAIL
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "driver-answers"
NEEDS = ("hang",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "block-and-drain", "limits": {}}

HUNG, STUCK = "driver-hung", "probe-stuck"


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    """A driver that hangs is a fault; a probe that did not answer, for whatever other reason, is not."""

    def judge(hang: "Dict[str, Any]") -> "List[Finding]":
        verdict, words = word(hang, "verdict"), plain(word(hang, "words") or "", 160)
        if verdict not in {None, HUNG, STUCK}:
            raise Garbled("verdict: %s" % plain(repr(verdict), 60))
        if verdict == HUNG:
            words = words or "the driver doesn't answer, and a process that waits for it can't be ended"
            # Read from the register now: what is stuck is stuck at this moment, since whenever it began.
            return [say(facts, FAIL, words, source="register", raw=hang, code=HUNG, action="reboot-node")]
        if verdict == STUCK:
            words = words or "a probe doesn't come back, and the driver may not be why"
            return [say(facts, ERROR, words, source="register", raw=hang, code=STUCK)]
        if "gpus" in facts.trouble:
            told = plain(facts.trouble["gpus"], 160)
            words = "no reading of the GPUs: %s" % told
            return [say(facts, ERROR, words, source="nvml", raw=told, code="no-answer")]
        return []

    return each(facts, "register", lambda: [{} if facts.hang is None else facts.hang], judge)
