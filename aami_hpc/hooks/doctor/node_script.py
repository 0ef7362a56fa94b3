"""The one read-only script that runs on a node, and what its answer means. Plain sh: it asks no Slurm and no driver."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import SAYS, Answer, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_hpc.hooks.doctor.answer import Status

_MARK = "libexec/aami-hpc/"  # in the text of every launcher of ours
_LONGEST = 512  # characters of a path we take from a node
_MOUNTS = ("/", "/var", "/var/lib", ours.STATE)
_SEE = 6  # fields of a line about a program

# `see NUMBER PATTERN`: IFS is empty, so that a pattern is expanded and never split. A launcher's own `site=` is seen, too. Whether slurmd, as root, may
# execute a file is told by its mode: `-x` would answer for the user who asks.
_SCRIPT = """\
see() (
  IFS=
  for f in $2; do
    o= t=
    if [ -f "$f" ]; then
      m=$(ls -ldL "$f" 2>/dev/null)
      case ${{m%% *}} in *[xst]*) s=ok ;; *) s=not-executable ;; esac
      head -c 65536 "$f" 2>/dev/null | grep -qs {mark} && o=ours &&
        t=$(head -c 65536 "$f" | sed -n 's/^site=//p' | head -n 1 | tr -d '\\042\\047\\011')
    elif [ -e "$f" ]; then
      s=not-a-file
    else
      s=missing d=$f
      while [ -n "$d" ] && [ ! -e "$d" ]; do d=${{d%/*}}; done
      [ -x "${{d:-/}}" ] && {{ [ "$f" != "$2" ] || [ -r "${{d:-/}}" ]; }} || s=hidden
    fi
    printf 'SEE\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$s" "$o" "$t" "$f"
    [ -z "$t" ] || see "$1" "$t"
  done
)
{calls}
run='import sys; print(sys.version.split()[0]); sys.exit(sys.version_info < (3, 6))'
for p in {python} /usr/libexec/platform-python /usr/bin/python3; do
  v=$("$p" -I -S -c "$run" 2>/dev/null) && printf 'PYTHON\\t%s %s\\n' "$p" "$v" && break
done
while read -r _ where type _; do
  case $where in {mounts}) printf 'MOUNT\\t%s\\t%s\\n' "$where" "$type" ;; esac
done 2>/dev/null </proc/mounts
g=$(readlink /usr/lib/aami-hpc/current) && printf 'GENERATION\\t%s\\n' "${{g##*/}}"
for f in {spool}/conf-cache/slurm.conf; do [ -e "$f" ] && echo CONFIGLESS; done
:
"""


def script(patterns: Sequence[str], spool: str = "", python: str = "") -> str:
    """The script for these absolute paths and patterns. `spool` is SlurmdSpoolDir with this node's name in it, `python`
    the interpreter that is configured, if one is.
    """
    calls = "\n".join(f"see {number} {shlex.quote(pattern)}" for number, pattern in enumerate(patterns))
    # %h is the machine's name, which only the machine knows: any folder in its place will do.
    places = "*".join(shlex.quote(part) for part in (spool or "/nonexistent").split("%h"))
    return _SCRIPT.format(
        mark=_MARK,
        calls=calls,
        mounts="|".join(_MOUNTS),
        spool=places,
        python=shlex.quote(python) if python else "",
    )


def read(output: str, patterns: Sequence[str]) -> Answer:
    """The script's answer. Whatever else a line says, it says nothing."""
    lines = [line.split("\t") for line in output.split("\n")]
    mounts = {fields[1]: fields[2] for fields in lines if fields[0] == "MOUNT" and len(fields) == 3}  # noqa: PLR2004
    return Answer(
        programs=_programs(lines, patterns),
        python=_first(lines, "PYTHON"),
        state_fs=next((mounts[place] for place in reversed(_MOUNTS) if place in mounts), ""),
        generation=_first(lines, "GENERATION"),
        configless=["CONFIGLESS"] in lines,
    )


def _programs(lines: list[list[str]], patterns: Sequence[str]) -> dict[str, tuple[Seen, ...]]:
    found: dict[str, list[Seen]] = {pattern: [] for pattern in patterns}
    for fields in lines:
        if len(fields) != _SEE or fields[0] != "SEE" or fields[2] not in SAYS:
            continue
        number = int(fields[1]) if fields[1].isdigit() and len(fields[1]) < _SEE else len(patterns)
        if number < len(patterns):
            found[patterns[number]].append(_seen(fields[2], *fields[3:]))
    return {pattern: tuple(seen) for pattern, seen in found.items()}


def _seen(status: Status, calls_ours: str, site: str, path: str) -> Seen:
    return Seen(path[:_LONGEST], status, calls_ours == "ours", unquoted(site)[:_LONGEST])


def unquoted(word: str) -> str:
    """What `site=` of a launcher names, with or without quotes."""
    return word.strip().strip("\"'")


def _first(lines: list[list[str]], key: str) -> str:
    return next((fields[1][:_LONGEST] for fields in lines if fields[0] == key and len(fields) > 1), "")
