"""`hooks render`: the tree of a node below a folder, made by the same code that makes it on nodes.

`--json`: {"folder", "generation", "content", "changed", "node", "python", "files", "not_asked"}. `node` is the name
written down, null without `--node`; `not_asked` has a sentence for each thing that could not be found out.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.result import Result
from aami_hpc.errors import GenerationBroken, NodeError, NodeSetSyntax, SlurmError, UsageFault
from aami_hpc.fleet.gather import Gathered, gather
from aami_hpc.hooks import cluster, node_json, order, tree
from aami_hpc.hooks.look import Look, drift, read
from aami_hpc.hooks.work import LIBRARY
from aami_hpc.io.clock import SystemClock
from aami_hpc.io.files import storage_fault
from aami_hpc.model.node import is_node_name
from aami_hpc.render.document import Fact, Facts, Paragraph, Steps, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aami_hpc.config import Settings
    from aami_hpc.hooks.cluster import Cluster
    from aami_hpc.hooks.tree import Generation, Sources
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.run import Runner

_TIMEOUT = 300.0


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    folder: Path,
    *,
    node: str | None = None,
    clock: Clock | None = None,
    sources: Sources | None = None,
) -> Result:
    """Make the tree below `folder`, or bring the one there up to date. Slurm need not answer."""
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - a link stays a link
    if root == Path("/"):
        raise UsageFault("/ is this machine itself", cause="Nothing was written", hint="Name an empty folder")
    gathered, told = _gathered(settings, runner, environ), cluster.ask(settings, runner, environ)
    _check_name(node, gathered)
    document = node_json.build(settings, told, gathered.inventory if gathered else None)
    generation = tree.build(document, settings.hooks, (clock or SystemClock()).now(), sources)
    made = Making(runner, settings, root, node)
    found = made.order("look")
    changed = found.content != generation.content or bool(drift(found, node))
    if changed:
        found = made.install(generation)
    missing = list(_not_asked(told, gathered, node))
    data = {
        "folder": str(root),
        "generation": found.generation,
        "content": found.content,
        "changed": changed,
        "node": (found.node_name or "").strip() or None,
        "python": found.python,
        "files": len(generation.files),
        "not_asked": missing,
    }
    return Result(data, _page(data, root))


class Making:
    """Orders carried out on this machine, below the folder."""

    def __init__(self, runner: Runner, settings: Settings, root: Path, node: str | None) -> None:
        given = (str(settings.hooks.python),) if settings.hooks.python else ()
        self._pythons = (*given, *order.USUAL, sys.executable)
        self._runner, self._root, self._node = runner, root, node
        self._keep = settings.hooks.keep

    def order(self, verb: str, **words: Any) -> Look:
        told = {"verb": verb, "root": str(self._root), "node": self._node, **words}
        done = self._runner.run(["/bin/sh", "-c", order.script(told, self._pythons)], timeout=_TIMEOUT)
        answer = read(done.stdout)
        if isinstance(answer, Look):
            return answer
        why = f"{answer.step}: {answer.detail}" if done.ok else done.why
        raise GenerationBroken(
            f"The tree below {self._root} was not made",
            cause=why,
            hint="What was there before is still in force",
        )

    def install(self, generation: Generation) -> Look:
        library = Path(f"{self._root}{LIBRARY}")
        packed = generation.packed()
        upload = library / f".upload-{generation.name}.aami-{secrets.token_hex(4)}"
        try:
            library.mkdir(parents=True, exist_ok=True)
            upload.write_bytes(packed)
        except OSError as error:
            raise storage_fault(error, upload, "write") from error
        return self.order(
            "install",
            generation=generation.name,
            upload=str(upload),
            digest=tree.digest(packed),
            keep=self._keep,
        )


def _gathered(settings: Settings, runner: Runner, environ: Mapping[str, str]) -> Gathered | None:
    """The nodes; None where neither Slurm nor the configuration names any. A broken configuration is an error."""
    try:
        return gather(settings, runner, environ)
    except (SlurmError, NodeError):
        return None


def _check_name(node: str | None, gathered: Gathered | None) -> None:
    if node is None:
        return
    if not is_node_name(node):
        raise NodeSetSyntax(f"{node!r} is no node name", hint="--node takes one name, letter by letter")
    if gathered is not None:
        gathered.chosen(node)


def _not_asked(told: Cluster, gathered: Gathered | None, node: str | None) -> Iterator[str]:
    if told.silent is not None:
        yield f"Slurm was not asked: {told.silent.message}"
        yield "Users and accounts are left out of metrics: whether Slurm hides them is not known"
    if gathered is None:
        yield "No node is known, so no range was checked, and no number of GPUs is expected"
    elif gathered.silent is not None:
        yield "GPUs are expected on the configuration's nodes only"
    if node is None:
        yield "No node's name was written: Slurm's hooks have it from slurmd, the rest needs --node"


def _page(data: Mapping[str, Any], root: Path) -> Any:
    did = "Made" if data["changed"] else "Unchanged"
    health = f"AAMI_ROOT={root} {root}/usr/libexec/aami-hpc/health"
    return (
        Paragraph(Text(f"{did}: generation {data['generation']} below {root}", "good")),
        Facts(
            (
                Fact("Files", str(data["files"])),
                Fact("Compiled for", data["python"]),
                Fact("Node", data["node"] or "none in particular"),
            )
        ),
        *(Paragraph(Text(words, "warn")) for words in data["not_asked"]),
        Steps(((health, "run the health hook in it"),)),
    )
