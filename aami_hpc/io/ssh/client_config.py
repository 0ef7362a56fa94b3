"""The user's ssh configuration: read once, asked once per host.

Read like ssh does: `Host` and `Match` blocks, `Include`, the first value of a word wins, except for files of
keys, which add up. What we can't follow is ignored with a remark; what ssh itself would refuse is an error.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.errors import SshError
from aami_hpc.io.files import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SYSTEM = Path("/etc/ssh/ssh_config")
_LINE = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.*\S)")
_WORD = re.compile(r'"([^"]*)"|([^\s"]+)|(")')
_DEPTH = 16  # Includes within Includes, as in ssh
_RAW = {
    "proxycommand",
    "localcommand",
    "remotecommand",
    "knownhostscommand",
}  # the rest of the line is one value
_ADDS_UP = {"identityfile", "certificatefile"}
_LISTS = {"userknownhostsfile", "globalknownhostsfile"}
_CRITERIA = {"host", "originalhost", "user", "localuser", "exec"}  # of Match, with an argument
_FLAGS = {"all", "canonical", "final"}
_OTHERS_MAY_WRITE = 0o022

# Words that change how ssh would reach a host, and that we can't follow.
_NOT_FOLLOWED = {
    "canonicalizehostname": "names are used as they are",
    "knownhostscommand": "host keys come from files only",
    "pkcs11provider": "keys come from files and the agent only",
    "proxyusefdpass": "a proxy passes bytes, not descriptors",
}
_OFF = {"canonicalizehostname": "no", "proxyusefdpass": "no"}

Values = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What conditions are tested against."""

    name: str
    hostname: str
    user: str
    local_user: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One `Host` or `Match` line: (criterion, negated, patterns). Two equal lines are two conditions."""

    origin: str
    tests: tuple[tuple[str, bool, str], ...]

    def holds(self, asked: Asked, run: Callable[[str], bool]) -> bool:
        return all(_test(word, patterns, asked, run) != negated for word, negated, patterns in self.tests)


@dataclass(frozen=True, slots=True)
class Setting:
    """One line: it counts where all conditions around it hold."""

    conditions: tuple[Condition, ...]
    word: str
    values: tuple[str, ...]
    origin: str


@dataclass(slots=True)
class ClientConfig:
    """All settings of all files, in order."""

    settings: list[Setting] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    final: bool = False  # a second pass was asked for
    runs_programs: bool = False  # asking may take a while

    def lookup(self, name: str, user: str, local_user: str, run: Callable[[str], bool]) -> Values:
        """The values for one host; keys are words in small letters."""
        found: Values = {"user": [user]} if user else {}
        self._collect(found, name, local_user, run, final=False)
        if self.final:
            self._collect(found, name, local_user, run, final=True)
        return found

    def _collect(
        self, found: Values, name: str, local_user: str, run: Callable[[str], bool], *, final: bool
    ) -> None:
        verdicts: dict[Condition, bool] = {}
        for setting in self.settings:
            hostname = found.get("hostname", [name])[0].replace("%h", name)
            asked = Asked(name, hostname, found.get("user", [local_user])[0], local_user, final)
            for condition in setting.conditions:
                if condition not in verdicts:
                    verdicts[condition] = condition.holds(asked, run)
                if not verdicts[condition]:
                    break
            else:
                if setting.word in _ADDS_UP:
                    _extend(found.setdefault(setting.word, []), setting.values)
                else:
                    found.setdefault(setting.word, list(setting.values))


def read_config(paths: Sequence[Path]) -> ClientConfig:
    """Read these files; one that is not there says nothing."""
    config = ClientConfig()
    for path in paths:
        _read(config, path, (), path.parent, 0)
    return config


def default_paths(home: Path) -> tuple[Path, ...]:
    """Where ssh looks: the user's file, then the system's."""
    return (home / ".ssh" / "config", SYSTEM)


def _read(config: ClientConfig, path: Path, outer: tuple[Condition, ...], folder: Path, depth: int) -> None:
    if depth > _DEPTH or not path.is_file():
        return
    _refuse_foreign(path)
    inside = outer
    for number, raw in enumerate(read_text(path).splitlines(), 1):
        line, origin = raw.strip(), f"{path}:{number}"
        if not line or line.startswith("#"):
            continue
        word, values = _split(line, origin)
        if word in {"host", "match"}:
            inside = (*outer, _condition(config, word, values, origin))
        elif word == "include":
            for found in _included(values, folder):
                _read(config, found, inside, folder, depth + 1)
        elif word in _NOT_FOLLOWED:
            if values[0].lower() not in {"none", _OFF.get(word)}:
                config.remarks.append(f"{origin}: {line.split()[0]} is not followed: {_NOT_FOLLOWED[word]}")
        else:
            config.settings.append(Setting(inside, word, values, origin))


def _refuse_foreign(path: Path) -> None:
    """A file that others may write can make us run programs: ssh refuses it, too."""
    status = path.stat()
    if status.st_uid not in {0, os.getuid()} or status.st_mode & _OTHERS_MAY_WRITE:
        raise SshError(
            f"{path} is not safe to use",
            cause="Somebody else may write it",
            hint=f"chown it to yourself and `chmod go-w {path}`",
        )


def _split(line: str, origin: str) -> tuple[str, tuple[str, ...]]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise _bad(origin, "A word without a value")
    word, rest = match[1].lower(), match[2]
    if word in _RAW:
        return word, (rest,)
    values = []
    for quoted, plain, stray in _WORD.findall(rest):
        if stray:
            raise _bad(origin, "A quote is not closed")
        if plain.startswith("#"):
            break
        values.append(plain or quoted)
    if not values:
        raise _bad(origin, "A word without a value")
    return word, tuple(values if word in {"host", "match", "include"} | _LISTS else values[:1])


def _bad(origin: str, cause: str) -> SshError:
    return SshError(
        f"{origin} can't be read as ssh configuration",
        cause=cause,
        hint="Correct the line: ssh refuses it, too",
    )


def _included(patterns: Iterable[str], folder: Path) -> Iterator[Path]:
    for pattern in patterns:
        path = Path(pattern).expanduser()
        base = Path(path.anchor) if path.is_absolute() else folder
        yield from sorted(base.glob(str(path.relative_to(base) if path.is_absolute() else path)))


def _condition(config: ClientConfig, word: str, values: tuple[str, ...], origin: str) -> Condition:
    if word == "host":
        return Condition(origin, (("names", False, ",".join(values)),))
    tests, rest = [], [part for value in values for part in _parted(value)]
    while rest:
        negated, name = rest[0].startswith("!"), rest.pop(0).lstrip("!").lower()
        if name not in _CRITERIA | _FLAGS:
            config.remarks.append(f"{origin}: `Match {name}` is not followed: the block is left out")
            return Condition(origin, (("never", False, ""),))
        if name in _CRITERIA and not rest:
            raise _bad(origin, f"`Match {name}` without a pattern")
        config.final = config.final or name == "final"
        config.runs_programs = config.runs_programs or name == "exec"
        tests.append((name, negated, rest.pop(0) if name in _CRITERIA else ""))
    return Condition(origin, tuple(tests))


def _parted(value: str) -> Iterator[str]:
    """`host=pattern` is two words."""
    name, equals, pattern = value.partition("=")
    return iter((name, pattern) if equals and name.lstrip("!").lower() in _CRITERIA else (value,))


def _test(word: str, patterns: str, asked: Asked, run: Callable[[str], bool]) -> bool:
    if word == "exec":
        return run(patterns)
    if word == "final":
        return asked.final
    text = {
        "names": asked.hostname if asked.final else asked.name,
        "host": asked.hostname,
        "originalhost": asked.name,
        "user": asked.user,
        "localuser": asked.local_user,
    }.get(word)
    return word == "all" if text is None else listed(text, patterns)


def listed(text: str, patterns: str) -> bool:
    """Whether one of the comma-separated patterns matches and none with an exclamation mark does."""
    found = False
    for pattern in patterns.split(","):
        if fnmatchcase(text, _glob(pattern.lstrip("!"))):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _glob(pattern: str) -> str:
    return pattern.replace("[", "[[]")  # in ssh only * and ? are special


def _extend(values: list[str], more: Iterable[str]) -> None:
    values.extend(value for value in more if value not in values)
