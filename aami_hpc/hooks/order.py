"""The script that carries an order to a node: finds a Python there, hands it our receiver as text, and the order.

Nothing of ours has to be on the node, and what is there has no say in what is told about it.
"""

from __future__ import annotations

import base64
import json
import shlex
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import aami_slurm

_MODULES = ("receive_files", "receive_site", "receive")  # in the order in which they are loaded
USUAL = ("/usr/libexec/platform-python", "/usr/bin/python3")
NO_PYTHON = "python"  # the step at which an order stops where there is none
_TOO_OLD = 97

# One line: it must mean the same to every Python 3, so that an old one can say so.
_LOADER = (
    f"import sys;sys.version_info<(3,6) and sys.exit({_TOO_OLD})\n"
    "import base64,json,types,zlib\n"
    "for n,s in json.loads(zlib.decompress(base64.b64decode(sys.argv[1])).decode()):\n"
    " m=sys.modules[n]=types.ModuleType(n);m.__path__=[]\n"
    " exec(compile(s,n,'exec'),m.__dict__)\n"
    "m.main(sys.argv[2])"
)
# An interpreter that ends badly has changed nothing that the next one would not do again: orders are whole or not at all.
_SCRIPT = """\
s=
for p in {pythons}; do
  [ -x "$p" ] || continue
  "$p" -I -S -B -c {loader} {modules} {order} && exit 0
  s=$?
done
[ -z "$s" ] || [ "$s" = {too_old} ] || exit "$s"
printf '%s\\n' {none}
"""


def script(order: dict[str, Any], pythons: tuple[str, ...] = USUAL) -> str:
    """A POSIX sh script; it prints one line of JSON."""
    why = f"No Python 3.6 or newer at {' or '.join(pythons)}"
    return _SCRIPT.format(
        pythons=" ".join(map(shlex.quote, pythons)),
        loader=shlex.quote(_LOADER),
        modules=_packed(),
        order=shlex.quote(json.dumps(order)),
        too_old=_TOO_OLD,
        none=shlex.quote(json.dumps({"ok": False, "step": NO_PYTHON, "detail": why})),
    )


@cache
def _packed() -> str:
    folder = Path(aami_slurm.__file__ or "").parent
    modules = [("aami_slurm", "")]
    modules += [
        (f"aami_slurm.{name}", (folder / f"{name}.py").read_text(encoding="utf-8")) for name in _MODULES
    ]
    return base64.b64encode(zlib.compress(json.dumps(modules).encode(), 9)).decode()
