"""A log as it lies there: plain, gzip, xz, bzip2 or zstd. Told by its first bytes, not by its name."""

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

LONGEST = 6


class NoZstd(Exception):
    """The interpreter has no zstd of its own (3.14 is the first that has)."""


def kind(start: "bytes") -> "Optional[str]":
    """The compression these first bytes tell."""
    for name, magic in (
        ("gzip", b"\x1f\x8b"),
        ("xz", b"\xfd7zXZ\x00"),
        ("bzip2", b"BZh"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
    ):
        if start.startswith(magic):
            return name
    return None


def plain(stream: "Any") -> "Any":
    """The stream's content, decompressed as it is read. Raises NoZstd."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)
    found = kind(buffered.peek(LONGEST)[:LONGEST])
    if found is None:
        return buffered
    if found == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=buffered)
    if found == "xz":
        import lzma

        return lzma.LZMAFile(buffered)
    if found == "bzip2":
        import bz2

        return bz2.BZ2File(buffered)
    return _zstd(buffered)


def _zstd(buffered: "Any") -> "Any":
    import importlib

    try:
        return importlib.import_module("compression.zstd").ZstdFile(buffered)
    except ImportError:
        raise NoZstd from None


def damage() -> "tuple[type[BaseException], ...]":
    """What a compressed file raises that ends too early or is broken."""
    import zlib

    found = EOFError, zlib.error, OSError
    try:
        import lzma
    except ImportError:  # a Python that was built without it
        return found
    return (*found, lzma.LZMAError)
