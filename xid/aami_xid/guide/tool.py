"""`aami-xid.pyz`: explain, list and log on any node that has a Python, without a package, root or network.

Status 0: done, or nothing needs action. 1: something does, or a code is unknown. 2: wrong usage.
"""

import sys

from aami_xid.guide.text import safe, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Dict, List, Optional, Tuple

    Entry = Dict[str, Any]

NAME = "aami-xid.pyz"
EXAMPLES = """\
examples:
  python3 aami-xid.pyz explain xid 79
  python3 aami-xid.pyz explain xid 48 63 94 --model A100
  python3 aami-xid.pyz explain 'NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.'
  dmesg | python3 aami-xid.pyz log -
  python3 aami-xid.pyz list --search 'fell off the bus'
"""


def main(arguments: "Optional[List[str]]" = None, name: "str" = NAME) -> "int":
    _speak_any_locale()
    typed = sys.argv[1:] if arguments is None else arguments
    if typed[:2] == ["explain", "log"]:
        typed = typed[1:]
    parser = _parser(name)
    options = parser.parse_args(typed)
    if "run" not in options:
        parser.print_help()
        return 0
    try:
        status: "int" = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return 141
    except KeyboardInterrupt:
        return 130
    return status


def _speak_any_locale() -> "None":
    """In the C locale Python 3.6 can write ASCII only: what else there is becomes an escape, not a failure."""
    import io

    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, sys.stdout.encoding, "backslashreplace")


def _silence() -> "None":
    """Nobody reads any more: keep the interpreter from telling so at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(name: "str") -> "ArgumentParser":
    import argparse

    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        name, description="What an Xid or SXid of an NVIDIA GPU means.", epilog=EXAMPLES, formatter_class=raw
    )
    commands = parser.add_subparsers(metavar="explain | list | log")
    explain = commands.add_parser(
        "explain", help="explain codes or a pasted line", epilog=EXAMPLES, formatter_class=raw
    )
    explain.add_argument("what", nargs="+", metavar="xid CODE… | sxid CODE… | LINE")
    explain.add_argument("--model", default="", help="the GPU's model, such as H100")
    explain.add_argument("--brief", action="store_true", help="meaning, causes and what to do now only")
    explain.add_argument("--json", action="store_true")
    explain.set_defaults(run=_explain)
    listed = commands.add_parser("list", help="list and search codes")
    for option in ("--severity", "--affects", "--action", "--search"):
        listed.add_argument(option, default="")
    listed.add_argument("--sxid", action="store_true", help="the codes of NVSwitches")
    listed.set_defaults(run=_list)
    log = commands.add_parser("log", help="the faults in kernel logs")
    log.add_argument(
        "files", nargs="*", metavar="FILE", help="plain, gz, xz or bz2; - or none: standard input"
    )
    log.add_argument("--year", type=int, help="for stamps without a year")
    log.add_argument("--json", action="store_true")
    log.set_defaults(run=_log)
    return parser


def catalogue() -> "Dict[str, Dict[str, Entry]]":
    """Every entry by kind and code, as it was compiled into the archive."""
    import json
    import pkgutil

    try:
        data = pkgutil.get_data("aami_xid", "data/catalog.json")
    except OSError:
        data = None
    if data is None:
        raise SystemExit(
            "%s: the catalogue is not in this copy. In a clone: make pyz, then run dist/%s" % (NAME, NAME)
        )
    found: "Dict[str, Dict[str, Entry]]" = json.loads(data.decode("utf-8"))
    return found


def _wrong(words: "str") -> "int":
    print("%s: %s" % (NAME, safe(words)), file=sys.stderr)
    return 2


def _explain(options: "Namespace") -> "int":
    from aami_xid.guide import ask
    from aami_xid.guide.words import MODELS, generation

    model = generation(options.model)
    if options.model and not model:
        return _wrong("--model %s is none we know: %s" % (options.model, ", ".join(MODELS)))
    kind, typed = options.what[0], options.what[1:]
    if any(map(ask.is_line, options.what)):
        return _explain_lines(ask.lines(options.what), model, options)
    try:
        named = kind in {"xid", "sxid"}
        codes = [(kind, ask.code(one)) for one in typed] if named else ask.codes(options.what)
    except ask.NotACode as wrong:
        return _wrong(str(wrong))
    if not codes:
        return _wrong("name a code, such as: explain xid 79")
    return _told(codes, [], model, options)


def _explain_lines(lines: "List[str]", model: "str", options: "Namespace") -> "int":
    from aami_xid import parse
    from aami_xid.guide import line

    events = [event for event in map(parse, lines) if line.codes(event)]
    if not events:
        return _wrong("no Xid or SXid of the driver is in that line")
    codes = [code for event in events for code in line.codes(event)]
    heads = [("This line" if len(events) == 1 else "Line %d" % number, line.rows(event))
             for number, event in enumerate(events, 1)]  # fmt: skip
    return _told(list(dict.fromkeys(codes)), [head for head in heads if head[1]], model, options)


def _told(codes: "List[Tuple[str, int]]", heads: "List[Any]", model: "str", options: "Namespace") -> "int":
    from aami_xid.guide import answer, pages

    entries = [look_up(kind, code) for kind, code in dict.fromkeys(codes)]
    if options.json:
        _print_json([answer.answer(entry) for entry in entries])
    else:
        sys.stdout.write(to_text(heads + pages.together(entries, model, options.brief)))
    return 1 if any(entry["status"] == "unknown" for entry in entries) else 0


def look_up(kind: "str", code: "int") -> "Entry":
    from aami_xid.guide import unknown

    known = catalogue()[kind]
    return known.get(str(code)) or unknown.entry(kind, code, map(int, known))


def _print_json(found: "List[Any]") -> "None":
    import json

    print(json.dumps(found[0] if len(found) == 1 else found, indent=2))


def _list(options: "Namespace") -> "int":
    from aami_xid.guide.find import find

    entries = catalogue()["sxid" if options.sxid else "xid"].values()
    found = find(entries, options.severity, options.affects, options.action, options.search)
    for entry in found:
        print("%5d  %-8s %s" % (entry["code"], entry["severity"], entry["title"]))
    return 0 if found else 1


def _log(options: "Namespace") -> "int":
    from aami_xid.guide import scan

    try:
        return scan.run(options.files or ["-"], options.year, as_json=options.json)
    except scan.Unreadable as error:
        return _wrong(str(error))
