"""A secret: a reference that is resolved at use, and that prints as `***` wherever it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from aami_hpc.config.fault import Fault, Unavailable
from aami_hpc.config.variables import expand, home, literal
from aami_hpc.errors import SecretUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "***"
_LIMIT = 64 * 1024  # a larger file is not a secret


class FileReference:
    """`!file PATH` as it was written, and the folder of the file it was written in."""

    __slots__ = ("_folder", "_text")

    def __init__(self, text: str, folder: Path) -> None:
        self._text = text
        self._folder = folder

    def path(self, environ: Mapping[str, str]) -> Path:
        """The file meant: `~` and variables replaced, a relative path taken from the configuration's folder."""
        text = expand(self._text, environ)
        if text == "~" or text.startswith("~/"):
            text = home(environ) + text[1:]
        return Path(os.path.abspath(self._folder / text))  # noqa: PTH100 - a link on the way stays a link

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileReference) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class Secret:
    """Text that only `reveal()` gives out. Made only when its variable or file is there."""

    __slots__ = ("_environ", "_text", "file")

    def __init__(self, reference: str | FileReference, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._text = ""
        self.file: Path | None = None  # the file that holds it, when one does
        if isinstance(reference, FileReference):
            self.file = reference.path(self._environ)
            _look_for(self.file)
        else:
            self._text = reference
            expand(reference, self._environ)

    def reveal(self) -> str:
        """The secret itself, read from its variable or file now."""
        if self.file is not None:
            return _read(self.file)
        try:
            return expand(self._text, self._environ)
        except Fault as fault:
            gone = SecretUnavailable(f"A secret {fault.what}", hint=fault.hint)
        raise gone

    @property
    def literal(self) -> bool:
        """Whether the secret stands in the configuration itself."""
        return self.file is None and literal(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave the process")


def _look_for(path: Path) -> None:
    try:
        there = path.is_file()
    except PermissionError:  # whoever uses the secret may be allowed to look
        return
    if not there:
        raise Unavailable(f"refers to the file {path}, which is not there", "Make it, or correct its path")


def _read(path: Path) -> str:
    """The file's text without the line break at its end. Errors name the file, never what is in it."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except OSError as error:
        raise SecretUnavailable(
            f"The secret in {path} can't be read",
            cause=error.strerror or "",
            hint="Check that the file is there and that this user may read it",
        ) from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(data) > _LIMIT:
        raise SecretUnavailable(
            f"{path} holds no secret",
            cause=f"It is empty, larger than {_LIMIT // 1024} KiB or not UTF-8 text",
            hint="Put the secret alone into the file",
        )
    return text.removesuffix("\n").removesuffix("\r")
