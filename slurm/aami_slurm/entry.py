"""The one door from run.py into the code: which part runs, and nothing else is loaded."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

HOOKS = ("prolog", "epilog", "health")
USAGE = 64


def main(arguments: "List[str]") -> "int":
    """The exit status of one part: `prolog`, `epilog`, `health`, `node …` or `check-tree`."""
    part = arguments[0] if arguments else ""
    if part in HOOKS:
        import gc

        from aami_slurm import hook

        gc.disable()  # a hook is over before there is anything worth collecting

        return hook.main(part)
    if part == "node":
        from aami_slurm.cli import tool

        return tool.main(arguments[1:])
    if part == "check-tree":
        from aami_slurm import check_tree

        return check_tree.main()
    return USAGE
