"""The command line of `aami-node`: one row per command, and what is common to them."""

import sys

from aami_slurm import hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, List

EXAMPLES = """\
examples:
  aami-node check                      look at this node now; nothing is written, nothing is drained
  aami-node explain                    what the hooks do here, in which mode, and what it may lead to
  aami-node explain xid 79             what an Xid means
  aami-node ledger --job 1234          which GPUs a job had here
  aami-node events --kind xid --json   the journal of this node
  aami-node doctor                     is everything in place for the hooks
"""
UNREADABLE = 74
INTERRUPTED = 130
PIPE = 141


def main(arguments: "List[str]") -> "int":
    """0: done or healthy. 1: the answer is no. 2: wrong usage. 70 and up: set up wrongly, as one line says."""
    _speak_any_locale()
    if arguments[:1] == ["explain"] and arguments[1:2] and not arguments[1].startswith("-"):
        from aami_xid.guide import tool

        return tool.main(arguments, "aami-node")
    options = _parser().parse_args(arguments)
    if not options.command:
        _parser().print_help()
        return 0
    return _ended(options)


def _ended(options: "Namespace") -> "int":
    """The status of one command, however it ends."""
    try:
        status = _run(options)
        sys.stdout.flush()
    except hook.Stop as stop:
        sys.stderr.write("aami-node: %s\n" % stop.words)
        return stop.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence()
        return PIPE
    except OSError as error:
        may = " (root may read it)" if isinstance(error, PermissionError) else ""
        sys.stderr.write("aami-node: %s: %s%s\n" % (error.filename, error.strerror, may))
        return UNREADABLE
    return status


def _run(options: "Namespace") -> "int":
    module = __import__("aami_slurm.cli." + options.module, fromlist=["run"])
    result: "int" = getattr(module, options.function)(options)
    return result


def _parser() -> "ArgumentParser":
    import argparse

    raw = argparse.RawDescriptionHelpFormatter
    about = "What this node knows about its GPUs, its jobs and itself. Reads only."
    parser = argparse.ArgumentParser("aami-node", description=about, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")

    def add(name: "str", words: "str", module: "str", function: "str") -> "ArgumentParser":
        command: "ArgumentParser" = commands.add_parser(name, help=words, description=words)
        command.set_defaults(module=module, function=function)
        if name != "serve":
            command.add_argument("--json", action="store_true", help="one JSON document")
        return command

    add("check", "look at the whole node now, as health does; nothing is written or drained", "look", "check")
    explain = add(
        "explain", "what the hooks do here, and what it may lead to; or: explain xid CODE", "plan", "explain"
    )
    explain.add_argument("--phase", choices=("prolog", "epilog", "health"), help="one hook only")
    ledger = add("ledger", "which job run had which GPU, newest last", "records", "ledger")
    ledger.add_argument("--job", type=int, metavar="ID", help="one job's runs only")
    ledger.add_argument("--open", action="store_true", help="runs without an end only")
    events = add("events", "the journal, newest last", "records", "events")
    events.add_argument("--kind", help="xid, sxid, check, decision, drain, error, ...")
    events.add_argument("--gpu", metavar="UUID", help="one GPU only")
    events.add_argument("--since", metavar="TIME", help="2026-11-20 or 2026-11-20T03:04:05Z")
    events.add_argument("-n", type=_count, default=None, metavar="N", help="the last N only")
    add("inventory", "the GPUs as they were last seen healthy", "records", "inventory")
    add("doctor", "is everything in place for the hooks on this node", "doctor", "run")
    add(
        "serve",
        "forced command of the head's pull: a verb on standard input, lines on standard output",
        "serve",
        "run",
    )
    return parser


def _count(text: "str") -> "int":
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _speak_any_locale() -> "None":
    """In the C locale Python 3.6 can write ASCII only: what else there is becomes an escape, not a failure."""
    import io

    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, sys.stdout.encoding, "backslashreplace")


def _silence() -> "None":
    """Nobody reads any more: keep the interpreter from telling so at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(document: "Any") -> "None":
    """One JSON document for programs."""
    import json

    sys.stdout.write(json.dumps(document, indent=2, sort_keys=True) + "\n")
