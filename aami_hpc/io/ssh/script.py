"""The line a host runs: our script in a wrapper that frames its output and ends it when we are gone.

The line must mean the same to every login shell (sh, bash, zsh, csh, fish …), so all it holds is one call of
/bin/sh with a text in single quotes that has no character any of them would touch.

The wrapper stands between the login shell and the script. Two watchers live in the same process group as the
script: one waits for the end of our side of the connection, the other for a little more than the time limit.
Either ends the whole group. So nothing is left on the host when a limit passes, when somebody presses Ctrl-C
and when the link is cut.
"""

from __future__ import annotations

import math
import secrets
import shlex
from dataclasses import dataclass

_GRACE = 5  # seconds after which the host ends the script by itself, should our word not reach it
_PLAIN = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+=:;,./@%()[]{}<>|&*?#~^"
)

_END_GROUP = "kill -TERM 0; sleep 1; kill -KILL 0"

# The second watcher counts seconds: so it can be killed at any moment and leaves no long sleep behind. To wait
# for one long sleep, and to end that from a trap, is no way: a signal just before `wait` is lost in some shells.
_WRAPPER = """\
LC_ALL=C; export LC_ALL
m() {{ printf "%s%s:%s\\n" {left} {right} "$1"; }}
{watch_us}
( i=0
while [ $i -lt {seconds} ]; do sleep 1 || exit; i=$((i+1)); done
trap '' TERM; {end_group} ) 3<&- </dev/null >/dev/null 2>&1 &
w=$!
m begin; m begin >&2
( {redirect}
eval {script}
)
s=$?
m "end $s" >&2
exec 2>/dev/null
kill -KILL $l $w
m "end $s"
exit $s
"""

# The script reads nothing; our side of the connection is watched instead.
_WATCH_US = f"""\
exec 3<&0 </dev/null
( trap '' HUP INT TERM; read -r _ <&3; {_END_GROUP} ) >/dev/null 2>&1 &
l=$!"""

_SUDO = """\
LC_ALL=C; export LC_ALL
printf "%s%s:%s\\n" {left} {right} shell
exec sudo -n -- /bin/sh -c {wrapper}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A command line for a host, and the mark that its output carries."""

    command: str
    mark: bytes


def line(script: str, *, timeout: float, sudo: bool = False, feeds: bool = False) -> Line:
    """Wrap a POSIX sh script. With `feeds` it reads what we send, and must itself end when that ends."""
    left, right = (
        f"aami-{secrets.token_hex(8)}",
        secrets.token_hex(8),
    )  # apart, so that an echo of the line is no mark
    text = _WRAPPER.format(
        left=left,
        right=right,
        seconds=math.ceil(timeout) + _GRACE,
        end_group=_END_GROUP,
        watch_us="l=" if feeds else _WATCH_US,
        redirect=":" if feeds else "exec 3<&-",
        script=shlex.quote(script),
    )
    if sudo:
        text = _SUDO.format(left=left, right=right, wrapper=shlex.quote(text))
    return Line(for_any_shell(text), f"{left}{right}".encode())


def for_any_shell(script: str) -> str:
    """A command line that runs `script` in /bin/sh, whatever the login shell is."""
    plain = "".join(char if char in _PLAIN else _octal(char) for char in script)
    return f"""/bin/sh -c 'eval "$(printf "%b" "{plain}")"'"""


def _octal(char: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
