"""What a finding may cause on a node: the policy document `aami.policy/1`, resolved for one check. Pure.

Rules are read from the first to the last, and of those that fit a later one wins, key by key. A policy that can't be
understood never enforces: what is broken as a whole puts every check in shadow, a broken rule those that it names.
"""

from aami_slurm import rails
from aami_slurm.nodes import BadRange, matches
from aami_slurm.rails import is_number
from aami_slurm.text import plain
from aami_slurm.verdict import BLOCK, DRAIN, ENFORCE, OFF, RECORD, SHADOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

SCHEMA = "aami.policy/1"
MODES = (OFF, SHADOW, ENFORCE)
EFFECTS = (RECORD, DRAIN, BLOCK)
EVERY = "*"
SITE = "site-"  # checks of a site's own begin so
_KEYS = ("schema", "name", "mode", "quiet_partitions", "rails", "rules")
_LONGEST_NAME = 64
_LONGEST_TEXT = 500
_MOST_BUDGET = 45  # seconds: the whole of a health run
_MOST_INTERVAL = 604800
_MOST_FRESH = 3600  # seconds: what the kernel said before that is no longer at hand
_IN_NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


class Rule:
    """How one check is to be taken on one node. `effect` is the strongest that its `fail` may cause; `at_most_warn` is
    true for a site's own check that no rule enforces by name. `snoozed_until` is set while it is snoozed.
    """

    __slots__ = (
        "at_most_warn",
        "budget_s",
        "check",
        "effect",
        "interval_s",
        "limits",
        "mode",
        "origin",
        "snoozed_until",
    )

    def __init__(self, check: "str", defaults: "Mapping[str, Any]") -> "None":
        self.check = check
        self.mode: "str" = SHADOW
        self.effect: "str" = defaults["effect"]
        self.budget_s: "float" = defaults["budget_s"]
        self.interval_s: "Optional[float]" = defaults.get("interval_s")
        self.limits: "Dict[str, Any]" = dict(defaults["limits"])
        self.snoozed_until: "Optional[str]" = None
        self.at_most_warn = check.startswith(SITE)
        self.origin = ""


def resolve(policy: "Any", node: "str", check: "str", defaults: "Mapping[str, Any]", now: "float") -> "Rule":
    """The rule for this check on this node. `defaults` are the check's own; `now` is the wall's time. Never raises."""
    rule = Rule(check, defaults)
    faults = _faults(policy)
    if faults:
        rule.origin = "the policy can't be used: %s" % faults[0]
        return rule
    rule.mode = policy.get("mode", SHADOW)
    used: "List[Tuple[int, str]]" = []
    broken: "List[str]" = []
    for number, told in enumerate(policy.get("rules", ()), 1):
        fits, wrong = _fits(told, node, check)
        if fits:
            wrong = wrong or _wrong(told, defaults["limits"])
            if wrong:
                broken.append("rule %d is broken: %s" % (number, wrong[0]))
            else:
                _take(rule, told, now)
                used.append((number, told.get("why", "")))
    if rule.mode == ENFORCE and (broken or rule.at_most_warn):
        rule.mode = SHADOW
    rule.origin = "; ".join([*broken, _origin(policy, used)])
    return rule


def _take(rule: "Rule", told: "Mapping[str, Any]", now: "float") -> "None":
    """What a sound rule of the policy says, over what was said before."""
    for key in ("mode", "effect", "budget_s", "interval_s"):
        if key in told:
            setattr(rule, key, told[key])
    rule.limits.update(told.get("limits", ()))
    if "snooze_until" in told:
        rule.snoozed_until = _snoozed(told["snooze_until"], now)
    if "mode" in told and told["check"] != EVERY:
        rule.at_most_warn = rule.check.startswith(SITE) and told["mode"] != ENFORCE


def interval(policy: "Any", node: "str", check: "str", default: "float") -> "float":
    """Every how many seconds the policy wants this check's look at the driver."""
    defaults = {"effect": RECORD, "budget_s": 1.0, "limits": {}, "interval_s": default}
    told = resolve(policy, node, check, defaults, 0.0).interval_s
    return default if told is None else told


def rails_of(policy: "Any") -> "Dict[str, Any]":
    """The rails, those of the preset `standard` where the policy names none or none that can be used."""
    told = policy.get("rails", {}) if isinstance(policy, dict) else {}
    return dict(rails.STANDARD, **told) if not rails.problems(told) else dict(rails.STANDARD)


def quiet_partitions(policy: "Any") -> "List[str]":
    """Partitions whose nodes are not to be asked for a reading of the driver while a job of theirs runs."""
    told = policy.get("quiet_partitions", ()) if isinstance(policy, dict) else ()
    return [name for name in told if isinstance(name, str)] if isinstance(told, (list, tuple)) else []


def problems(policy: "Any", checks: "Optional[Mapping[str, Mapping[str, Any]]]" = None) -> "List[str]":
    """Everything that is wrong with the document, for people; an empty list if it can be used.

    With `checks`, each with its defaults, also rules for checks that there are not and limits of another type.
    """
    found = _faults(policy)
    rules = policy.get("rules", ()) if isinstance(policy, dict) else ()
    for number, told in enumerate(rules if isinstance(rules, list) else (), 1):
        defaults = _defaults_of(told, checks)
        wrong = _fits(told, "", EVERY)[1] + _wrong(told, defaults.get("limits", {}) if defaults else {})
        if defaults is None:
            wrong.append("there is no check %s" % plain(str(told.get("check")), _LONGEST_NAME))
        found += ["rule %d: %s" % (number, words) for words in wrong]
    return found


def _defaults_of(
    told: "Any", checks: "Optional[Mapping[str, Mapping[str, Any]]]"
) -> "Optional[Mapping[str, Any]]":
    """The defaults of the check that a rule names: empty where none are known of, None where there is no such check."""
    check = told.get("check") if isinstance(told, dict) else None
    if checks is None or not isinstance(check, str) or check == EVERY or check.startswith(SITE):
        return {}
    return checks.get(check)


def _faults(policy: "Any") -> "List[str]":
    """What is wrong with the document as a whole: its rules aside."""
    if not isinstance(policy, dict):
        return ["the policy is no mapping"]
    if not policy:
        return []
    if policy.get("schema") != SCHEMA:
        told = plain(repr(policy.get("schema")), _LONGEST_NAME)
        return ["its schema is %s, this release reads %s" % (told, SCHEMA)]
    found = ["it has a key %s, which is not known" % _quoted(key) for key in policy if key not in _KEYS]
    if "name" in policy and not _is_text(policy["name"]):
        found.append("name is no text")
    if "mode" in policy and policy["mode"] not in MODES:
        found.append("mode is %s, not %s" % (_quoted(policy["mode"]), _MODES_TOLD))
    told = policy.get("quiet_partitions", [])
    if not isinstance(told, list) or not all(_is_text(name) for name in told):
        found.append("quiet_partitions is no list of names")
    if not isinstance(policy.get("rules", []), list):
        found.append("rules is no list")
    return found + (rails.problems(policy["rails"]) if "rails" in policy else [])


def _fits(told: "Any", node: "str", check: "str") -> "Tuple[bool, List[str]]":
    """Whether a rule concerns this check on this node, and what is wrong with how it says so. One that does not say
    so clearly concerns any.
    """
    if not isinstance(told, dict):
        return True, []
    named = told.get("check")
    if _is_check(named) and check not in (named, EVERY) and named != EVERY:
        return False, []
    try:
        return "nodes" not in told or matches(told["nodes"], node), []
    except BadRange as error:
        return True, ["nodes: %s" % plain(str(error), _LONGEST_TEXT)]


def _wrong(told: "Any", limits: "Mapping[str, Any]") -> "List[str]":
    """What is wrong with one rule. `limits` are the check's own, which tell the types."""
    if not isinstance(told, dict):
        return ["it is no mapping"]
    found = [] if "check" in told else ["it names no check"]
    for key, value in told.items():
        if key not in _TESTS:
            found.append("it has a key %s, which is not known" % _quoted(key))
        elif not _TESTS[key][0](value):
            found.append("%s is %s, not %s" % (key, _quoted(value), _TESTS[key][1]))
    return found + (_wrong_limits(told["limits"], limits) if _is_limits(told.get("limits")) else [])


def _wrong_limits(told: "Mapping[str, Any]", own: "Mapping[str, Any]") -> "List[str]":
    found = []
    for key, value in told.items():
        like = own.get(key, 0 if key == "fresh_s" else None)
        if like is not None and not _alike(value, like):
            found.append("limits: %s is %s, of another type than %s" % (key, _quoted(value), _quoted(like)))
        elif key == "fresh_s" and value > _MOST_FRESH:
            found.append("limits: fresh_s is %s, not seconds, up to %d" % (_quoted(value), _MOST_FRESH))
    return found


def _alike(value: "Any", like: "Any") -> "bool":
    """Whether a check that expects the one can work with the other."""
    if is_number(like):
        return is_number(value)
    if isinstance(like, (list, tuple)):
        return isinstance(value, (list, tuple))
    return type(value) is type(like)


def _origin(policy: "Mapping[str, Any]", used: "List[Tuple[int, str]]") -> "str":
    name = "policy %s" % plain(policy.get("name", "without a name"), _LONGEST_NAME)
    if not used:
        return name + ", no rule of its own"
    numbers = ", ".join(str(number) for number, _ in used)
    why = plain(used[-1][1], _LONGEST_TEXT)
    return "%s, rule%s %s%s" % (name, "" if len(used) == 1 else "s", numbers, ": " + why if why else "")


def _snoozed(text: "str", now: "float") -> "Optional[str]":
    """The end of a snooze that is not over yet."""
    from aami_xid.civil import rfc3339

    end = _end(text)
    return rfc3339(int(end * 1000000)) if end is not None and now < end else None


def _end(text: "Any") -> "Optional[float]":
    """Seconds since 1970 at the end of a UTC date, or at a UTC stamp; None for what is neither."""
    from aami_xid.civil import DAY, days, valid

    if not isinstance(text, str):
        return None
    day, mark, clock = text.partition("T")
    date = _numbers(day, "-", (4, 2, 2))
    if date is None or not valid(date[0], date[1], date[2]):
        return None
    begin = days(date[0], date[1], date[2]) * DAY
    if not mark:
        return float(begin + DAY)
    whole, _, fraction = clock[:-1].partition(".")
    time = _numbers(whole, ":", (2, 2, 2))
    if not clock.endswith("Z") or fraction.strip("0123456789") or time is None:
        return None
    if time[0] > 23 or time[1] > 59 or time[2] > 59:  # noqa: PLR2004 - the last of a day
        return None
    return float(begin + time[0] * 3600 + time[1] * 60 + time[2])


def _numbers(text: "str", mark: "str", widths: "Tuple[int, ...]") -> "Optional[List[int]]":
    parts = text.split(mark)
    if tuple(map(len, parts)) != widths or any(part.strip("0123456789") for part in parts):
        return None
    return [int(part) for part in parts]


def _quoted(value: "Any") -> "str":
    """A value in a complaint. YAML reads `off` and dates without quotes as something else."""
    return plain(repr(value), _LONGEST_NAME) + (" (write it in quotes)" if value is False else "")


def _is_text(value: "Any") -> "bool":
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _is_check(value: "Any") -> "bool":
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        return False
    return value == EVERY or not value.strip(_IN_NAMES)


def _is_limits(value: "Any") -> "bool":
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


_MODES_TOLD = "off, shadow or enforce"
_TESTS: "Dict[str, Tuple[Callable[[Any], bool], str]]" = {
    "check": (_is_check, "the name of a check, or *"),
    "nodes": (lambda _: True, "a list of nodes"),  # looked at where it is matched
    "mode": (lambda value: value in MODES, _MODES_TOLD),
    "effect": (lambda value: value in EFFECTS, "allow-and-record, drain-after-job or block-and-drain"),
    "budget_s": (lambda value: is_number(value) and 0 < value <= _MOST_BUDGET, "seconds, up to 45"),
    "interval_s": (lambda value: is_number(value) and 0 <= value <= _MOST_INTERVAL, "seconds, up to a week"),
    "limits": (_is_limits, "a mapping of limits"),
    "snooze_until": (lambda value: _end(value) is not None, 'a date in UTC, in quotes: "2027-01-31"'),
    "why": (_is_text, "a text of up to 500 characters"),
}
