"""`config`: check, show and change the configuration.

The stable keys of the JSON, per verb:
- check: `valid`, `files` (list), `problems` and `warnings` (lists of {file, line, key, reference, message, hint}),
  `live` (whether Slurm was asked)
- show: `settings` (the sections, secrets as `***`) and, with --origin, `origin` (key to FILE:LINE)
- path: `files` (those in force, the main file first), `searched` (where a main file was looked for)
- get: `key`, `value`, `origin`
- set: `key`, `file`, `line`, `previous` (where the version before is kept, or null)
- schema: the JSON schema itself
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.result import Result
from aami_hpc.config.examine import examine
from aami_hpc.render.document import Paragraph, Table, Text, Verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aami_hpc.config import Settings
    from aami_hpc.config.examine import Examined
    from aami_hpc.config.problem import Problem
    from aami_hpc.render.document import Block


def check(explicit: Path | None, *, live: bool = False) -> Result:
    """Check the files; with `live` also whether Slurm, and the files they name, agree."""
    examined = examine(explicit)
    problems, warnings = examined.problems, examined.warnings
    if live and not problems:
        from aami_hpc.actions.config_live import disagreements

        found = disagreements(examined)
        problems, warnings = found.problems, (*warnings, *found.warnings)
    data = {
        "valid": not problems,
        "files": [str(path) for path in examined.files],
        "problems": [_as_dict(problem) for problem in problems],
        "warnings": [_as_dict(problem) for problem in warnings],
        "live": live,
    }
    return Result(data, tuple(_report(examined, problems, warnings)), yes=not problems)


def show(settings: Settings, *, origin: bool = False) -> Result:
    """The effective settings as YAML."""
    from aami_hpc.config import keys
    from aami_hpc.config.effective import effective
    from aami_hpc.config.emit import leaves, lines

    data = effective(settings)
    text = "\n".join(lines(data, settings.origin if origin else None))
    shown: dict[str, Any] = {"settings": data}
    if origin:
        shown["origin"] = {key: settings.origin(key) for key in map(keys.join, leaves(data))}
    return Result(shown, (Verbatim(text),))


def path(explicit: Path | None) -> Result:
    """The files in force, or where one would be looked for."""
    from aami_hpc.config import places

    main = places.main_file(explicit, os.environ)
    overlays = () if main is None else places.drop_ins(main)
    files = [str(found) for found in (main, *overlays) if found is not None and places.there(found)]
    asked = places.named(explicit, os.environ)
    searched = [str(place) for place in ((asked[0],) if asked else places.usual(os.environ))]
    block: Block = Verbatim("\n".join(files))
    if not files:
        block = Paragraph(f"No configuration file: built-in defaults. Looked for {' and '.join(searched)}.")
    return Result({"files": files, "searched": searched}, (block,))


def get(settings: Settings, key: str) -> Result:
    """One value in force. Text stands alone, anything else as YAML on one line."""
    from aami_hpc.config import keys
    from aami_hpc.config.effective import effective
    from aami_hpc.config.emit import flow
    from aami_hpc.config.known import not_set, parts_of

    parts = parts_of(key)
    value: Any = effective(settings, every=True)
    for depth, part in enumerate(parts):
        if part not in value:
            raise not_set(parts[: depth + 1], list(value))
        value = value[part]
    data = {"key": keys.join(parts), "value": value, "origin": settings.origin(key)}
    return Result(data, (Verbatim(value if isinstance(value, str) else flow(value)),))


def set_value(explicit: Path | None, key: str, value: str) -> Result:
    """Write one value to the main file, and read it back."""
    from aami_hpc.config import keys
    from aami_hpc.config.change import set_value as write
    from aami_hpc.config.known import parts_of

    parts = parts_of(key)
    done = write(explicit, parts, value)
    name = keys.join(parts)
    said: list[Block] = [Paragraph(Text(f"{name} is set in {done.path}:{done.line}", "good"))]
    if done.before is not None:
        said.append(Paragraph(f"The version before is kept in {done.before}"))
    if done.literal:
        said.append(
            Paragraph(Text("The secret now stands in that file. Safer: '!file PATH' or '${NAME}'", "warn"))
        )
    data = {
        "key": name,
        "file": str(done.path),
        "line": done.line,
        "previous": str(done.before) if done.before else None,
    }
    return Result(data, tuple(said))


def schema() -> Result:
    """The JSON schema, for editors."""
    import json

    from aami_hpc.config.schema import schema as shipped

    found = shipped()
    return Result(found, (Verbatim(json.dumps(found, indent=2)),))


def _report(examined: Examined, problems: Sequence[Problem], warnings: Sequence[Problem]) -> Iterator[Block]:
    columns = ("where", "what", "what to do")
    if problems:
        rows = tuple((found.where, Text(found.what, "bad"), found.hint) for found in problems)
        yield Table(columns, rows, title="Problems")
    if warnings:
        rows = tuple((found.where, Text(found.what, "warn"), found.hint) for found in warnings)
        yield Table(columns, rows, title="Warnings")
    files = ", ".join(map(str, examined.files)) or "No configuration file, built-in defaults"
    count = len(problems)
    verdict = Text("no problems", "good") if not count else Text(f"{count} problem{'s' * (count > 1)}", "bad")
    yield Paragraph(Text(f"{files}: {verdict.words}", verdict.tone))


def _as_dict(problem: Problem) -> dict[str, str | int]:
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "reference": problem.reference,
        "message": problem.what,
        "hint": problem.hint,
    }
