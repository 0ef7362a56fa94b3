"""One drain: read, decide, write, wait until all writes of that second are in, read back, give way if it is surplus.

Slurm has no compare-and-set, and `scontrol` overwrites whatever reason stands there. So nothing is written unless the
state was read and is one of the few in which a drain by us is right, and only UNDRAIN ever takes back: it lifts no
DOWN, cancels no reboot. Two hooks of one node go one after the other, under a lock: the second finds the first one's
drain, settled. May block until its budget is over: a hook calls it in a probe of its own.
"""

import contextlib
import time

from aami_slurm import command, lock, rails, reason, slurm_nodes
from aami_slurm.clock import Clock
from aami_slurm.slurm_nodes import HARMLESS, IN_SERVICE, OUT, Unreadable
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from aami_slurm.slurm_nodes import Shown

DRAINED = "drained"
ALREADY_OURS = "already-ours"  # drained by us before, for whatever cause: one drain serves them all
ALREADY_OUT = "already-out"  # down, or drained by somebody else: it stays as it is
HANDS_OFF = "hands-off"
RAIL = "rail"
SURPLUS = "surplus"  # written, and taken back
UNKNOWN = "unknown"
NOT_A_NODE = "not-a-node"

# Seconds after a write: Slurm counts whole ones, and all who wrote in the same one are in by then.
SETTLE = 1.1
LONGEST = 65536  # bytes that `scontrol update` may say
QUOTED = 200  # characters of other people's text in a result


def drain(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """Drain the node if that is right, and say what was seen to happen.

    `ask`: node, reason, rails (the policy's), sinfo, scontrol, conf (or None), budget_s, now; `lock`, the file that
    all hooks of this node take for a drain (none if it is left out); and `settled`, true when this very drain is known
    to have survived the surplus rule. Without it an older drain with this reason is put to that rule again: whoever
    wrote it may have had no time for it.
    """
    attempt = _Attempt(ask)
    try:
        outcome, words = attempt.in_turn()
    except Unreadable as error:
        outcome, words = UNKNOWN, str(error)
    return attempt.result(outcome, words)


def standing(own: "Shown") -> "Tuple[Optional[str], str]":
    """Why a node in this state is not to be drained, and in which words; (None, "") if it may be. Pure."""
    bases = own.state & (IN_SERVICE | {"DOWN"})
    if own.state - IN_SERVICE - OUT - HARMLESS or len(bases) != 1:
        return HANDS_OFF, "its state is %s" % _state(own)
    theirs = reason.parse(own.reason)
    by_us = theirs is not None and theirs.who == "a"
    if own.state & OUT:
        if by_us and "DOWN" not in own.state:
            return ALREADY_OURS, "drained by us before: %s" % _quoted(own)
        return ALREADY_OUT, "it is %s already: %s" % (_state(own), _quoted(own))
    if own.reason and not by_us:
        return HANDS_OFF, "it carries a reason of someone else's: %s" % _quoted(own)
    return None, ""


def _state(own: "Shown") -> "str":
    return plain("+".join(sorted(own.state)), QUOTED) or "empty"


def _quoted(own: "Shown") -> "str":
    return plain(own.reason, QUOTED) or "no reason"


class _Attempt:
    """One call's course: what it was asked, what it saw, how long each step took."""

    def __init__(self, ask: "Dict[str, Any]") -> "None":
        self.ask = ask
        self.node: "str" = ask["node"]
        self.reason: "str" = ask["reason"]
        self.began = time.monotonic()
        self.until: "float" = self.began + ask["budget_s"]
        self.before: "Optional[Shown]" = None
        self.rail: "Optional[str]" = None
        self.written: "Optional[bool]" = False  # None: it may have been
        self.seconds: "Dict[str, float]" = {}

    def result(self, outcome: "str", words: "str") -> "Dict[str, Any]":
        before = self.before
        self.seconds["total"] = round(time.monotonic() - self.began, 3)
        return {
            "outcome": outcome,
            "words": words,
            "state_before": sorted(before.state) if before else [],
            "reason_before": plain(before.reason, QUOTED) if before else "",
            "rail": self.rail,
            "reason": self.reason,
            "written": self.written,
            "seconds": self.seconds,
        }

    def in_turn(self) -> "Tuple[str, str]":
        """run(), while no other hook of this node is at it: of two at once, one would take the other's reason away."""
        with contextlib.ExitStack() as turn:
            if self.ask.get("lock"):
                self._wait_for(turn, self.ask["lock"])
            return self.run()

    def _wait_for(self, turn: "contextlib.ExitStack", path: "str") -> "None":
        began = time.monotonic()
        try:
            turn.enter_context(lock.held(path, max(0.0, self._left()), Clock()))
        except lock.Busy:
            raise Unreadable(
                "another hook was draining this node for as long as this one could wait"
            ) from None
        except OSError as error:
            raise Unreadable("no turn to drain could be had: %s" % error) from error
        finally:
            self._took("turn", began)

    def run(self) -> "Tuple[str, str]":
        mine = reason.parse(self.reason)
        if not slurm_nodes.is_literal(self.node):
            return NOT_A_NODE, "%s is no name of one node" % plain(repr(self.node), QUOTED)
        if mine is None or mine.who != "a":
            return UNKNOWN, "this is no reason for an automatic drain: %s" % plain(self.reason, QUOTED)
        nodes = self._look("read")
        self.before = nodes.get(self.node)
        if self.before is None:
            return NOT_A_NODE, "Slurm shows no node %s in any partition" % self.node
        outcome, words = standing(self.before)
        if outcome == ALREADY_OURS and self.before.reason == self.reason and not self.ask.get("settled"):
            return self._settle(ALREADY_OURS, words)
        if outcome is not None:
            return outcome, words
        return self._write_if_allowed(nodes)

    def _write_if_allowed(self, nodes: "Dict[str, Shown]") -> "Tuple[str, str]":
        others = [one for one in slurm_nodes.out_by_us(nodes) if one[0] != self.node]
        ruling = rails.examine(self.ask["rails"], slurm_nodes.gpu_nodes(nodes), others, self.ask["now"])
        if not ruling.ok:
            self.rail = ruling.rail
            return RAIL, "not drained: %s" % ruling.rail
        self._leave_time_for_the_rails()
        self._write()
        return self._settle(DRAINED, "drained")

    def _leave_time_for_the_rails(self) -> "None":
        """A write that can't be looked at again in time could be the one too many: rather none at all."""
        each = self.seconds["read"]
        if self._left() < SETTLE + 3 * each:  # the write, the look at it, and the way back
            raise Unreadable(
                "Slurm took %.1f s to answer: no time is left to keep the rails, nothing was written" % each
            )

    def _write(self) -> "None":
        self.written = None
        status, said = self._update("write", "State=DRAIN", "Reason=" + self.reason)
        if status != 0 and not self._is_ours(self._look("confirm")):
            raise Unreadable("scontrol update: status %d: %s" % (status, said))
        self.written = True

    def _settle(self, outcome: "str", words: "str") -> "Tuple[str, str]":
        """The look back at a drain of ours: it stands there, and it is not one too many."""
        if self._left() <= SETTLE:
            raise Unreadable("no time is left to see whether the drain is one too many")
        time.sleep(SETTLE)
        nodes = self._look("settle")
        if not self._is_ours(nodes):
            raise Unreadable("our reason does not stand there: %s" % self._seen(nodes))
        ours = slurm_nodes.out_by_us(nodes)
        self.rail = rails.surplus(self.ask["rails"], slurm_nodes.gpu_nodes(nodes), ours, self.node)
        if self.rail is None:
            return outcome, words
        return self._take_back()

    def _take_back(self) -> "Tuple[str, str]":
        """Right behind the look that saw our reason, byte for byte: nobody else's drain is lifted."""
        self.written = True
        status, said = self._update("undrain", "State=UNDRAIN")
        nodes = self._look("confirm")
        own = nodes.get(self.node)
        if own is None or (own.state & OUT and own.reason == self.reason):
            raise Unreadable("one too many, and not taken back: status %d: %s" % (status, said))
        return SURPLUS, "drained and taken back: %s" % self.rail

    def _look(self, step: "str") -> "Dict[str, Shown]":
        began = time.monotonic()
        try:
            return slurm_nodes.look(self.ask["sinfo"], self.ask["conf"], self.until)
        finally:
            self._took(step, began)

    def _update(self, step: "str", *words: "str") -> "Tuple[int, str]":
        """`scontrol update` of this one node: (status, what it said)."""
        argv: "List[str]" = [self.ask["scontrol"], "update", "NodeName=" + self.node]
        began = time.monotonic()
        try:
            status, out, err = command.run(
                argv + list(words), slurm_nodes.environment(self.ask["conf"]), self.until, LONGEST
            )
        except command.NoAnswer as error:
            raise Unreadable("%s: whether it was done is not known" % error) from None
        finally:
            self._took(step, began)
        return status, plain(decode(err or out), QUOTED)

    def _is_ours(self, nodes: "Dict[str, Shown]") -> "bool":
        own = nodes.get(self.node)
        return own is not None and own.reason == self.reason and "DRAIN" in own.state

    def _seen(self, nodes: "Dict[str, Shown]") -> "str":
        own = nodes.get(self.node)
        return "the node is gone" if own is None else "%s: %s" % (_state(own), _quoted(own))

    def _took(self, step: "str", began: "float") -> "None":
        self.seconds[step] = round(time.monotonic() - began, 3)

    def _left(self) -> "float":
        return self.until - time.monotonic()
