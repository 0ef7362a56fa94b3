"""What a node answered to an order: as values, with everything it could have made up cut to size and kind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aami_hpc.hooks.tree import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST = 400  # characters of one text
_OLDEST = 1e10  # seconds
_MOST = 128  # parts of one list
_STATES = frozenset({"same", "differs", "missing", "left", "none"})


@dataclass(frozen=True, slots=True)
class Look:
    """What is on a node, as it read it back itself. `hooks` is how many seconds ago each hook ran last."""

    python: str = ""
    version: str = ""
    uid: int | None = None
    generation: str | None = None
    content: str | None = None
    manifest: str | None = None
    damage: tuple[str, ...] = ()
    compiled: bool = False
    launchers: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    timer: bool | None = None
    node_name: str | None = None
    node_json: bool = False
    previous: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()
    free: int = field(default=0, compare=False)  # changes by itself
    writable: bool = False
    there: Mapping[str, bool] = field(default_factory=dict)
    hooks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why an order was not carried out, at which step, and the generation that is in force all the same."""

    step: str
    detail: str
    generation: str | None = None


def read(text: str) -> Look | Stopped:
    """The last line of an answer. What is none is a step of its own: nothing is known of the node then."""
    lines = text.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return Stopped("answer", "The node's answer can't be read")
    if told.get("ok") is not True:
        step, detail = _text(told.get("step")), _text(told.get("detail"))
        return Stopped(step or "answer", detail, _match(NAME, told.get("generation")))
    return _look(told)


def drift(look: Look, node: str | None) -> tuple[str, ...]:
    """What on a node with a generation is not as that generation has it, in words that are the same on equal nodes.

    `node` is None where the tree is of no node in particular.
    """
    if look.generation is None:
        left = [name for name, state in look.launchers.items() if state == "left"]
        return (f"there is no generation, but {', '.join(left)} of one",) if left else ()
    found = [_damage(look.damage)] if look.damage else []
    found += [
        f"{name} {_says(state)}" for name, state in look.launchers.items() if state not in ("same", "none")
    ]
    found += [f"{name} {_says(state)}" for name, state in look.units.items() if state not in ("same", "none")]
    if look.timer is False:
        found.append("the timer does not run")
    if node is not None and look.node_name != f"{node}\n":
        found.append("/etc/aami-hpc/node-name does not hold the node's name")
    if not look.node_json:
        found.append("/etc/aami-hpc/node.json does not lead to the generation in force")
    if not look.compiled and not look.damage:
        found.append("the code is not compiled for this Python: every hook does it anew")
    return tuple(found)


def _damage(damage: tuple[str, ...]) -> str:
    more = f" and {len(damage) - 1} more" if len(damage) > 1 else ""
    return f"the tree is damaged: {damage[0]}{more}"


def _says(state: str) -> str:
    return {"differs": "is not the generation's", "missing": "is missing", "left": "should not be there"}[
        state
    ]


def _look(told: Mapping[str, Any]) -> Look:
    free = told.get("free")
    uid = told.get("uid")
    timer = told.get("timer")
    return Look(
        python=_text(told.get("python")),
        version=_text(told.get("version")),
        uid=uid if isinstance(uid, int) else None,
        generation=_match(NAME, told.get("generation")),
        content=_match(_DIGEST, told.get("content")),
        manifest=_match(_DIGEST, told.get("manifest")),
        damage=tuple(map(_text, _list(told.get("damage")))),
        compiled=told.get("compiled") is True,
        launchers=_states(told.get("launchers")),
        units=_states(told.get("units")),
        timer=timer if isinstance(timer, bool) else None,
        node_name=_text(told.get("node_name")) or None,
        node_json=told.get("node_json") is True,
        previous=_generations(told.get("previous")),
        generations=_generations(told.get("generations")),
        free=free if isinstance(free, int) else 0,
        writable=told.get("writable") is True,
        there={_text(path): is_there is True for path, is_there in _pairs(told.get("there"))},
        hooks={_text(name): float(age) for name, age in _pairs(told.get("hooks")) if _is_number(age)},
    )


def _text(value: object) -> str:
    return value[:_LONGEST].encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _match(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _list(value: object) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _pairs(value: object) -> list[tuple[str, Any]]:
    return list(value.items())[:_MOST] if isinstance(value, dict) else []


def _generations(value: object) -> tuple[str, ...]:
    return tuple(name for name in _list(value) if _match(NAME, name))


def _states(value: object) -> dict[str, str]:
    return {_text(name): state for name, state in _pairs(value) if _text(state) in _STATES}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _OLDEST
