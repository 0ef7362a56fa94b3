"""Finds our own output in a stream that login scripts, banners and the command itself write to.

The wrapper on the host prints a line `MARK:word` at each turn. Everything before `begin` is noise of the login,
everything after `end` noise of the logout. Fed in pieces of any size; keeps no more than its limit.
"""

from __future__ import annotations

NOISE_LIMIT = 2048
_LONGEST_WORD = 16


class Frames:
    """One stream of one command."""

    def __init__(self, mark: bytes, limit: int) -> None:
        self.noise = bytearray()
        self.body = bytearray()
        self.words: list[str] = []
        self.truncated = False
        self.status: int | None = None
        self._mark = mark + b":"
        self._limit = limit
        self._pending = b""

    @property
    def began(self) -> bool:
        return "begin" in self.words

    @property
    def ended(self) -> bool:
        return self.status is not None

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        data = self._pending + data
        while True:
            at = data.find(self._mark)
            if at < 0:
                keep = _partial(data, self._mark)
                self._take(data[: len(data) - keep])
                self._pending = data[len(data) - keep :]
                return
            line = data.find(b"\n", at)
            if line < 0 and len(data) - at <= len(self._mark) + _LONGEST_WORD:
                self._take(data[:at])
                self._pending = data[at:]
                return
            self._take(data[:at])
            end = line if line >= 0 else len(data)
            self._turn(data[at + len(self._mark) : end].decode("ascii", "replace"))
            data = data[end + 1 :]

    def close(self) -> None:
        """No more comes: what was held back was no mark."""
        self._take(self._pending)
        self._pending = b""

    def _turn(self, word: str) -> None:
        word, _, status = word.strip().partition(" ")
        self.words.append(word)
        if word == "end":
            self.status = int(status) if status.isdigit() else 1

    def _take(self, data: bytes) -> None:
        if not data or self.ended:
            return
        buffer, limit = (self.body, self._limit) if self.began else (self.noise, NOISE_LIMIT)
        room = max(limit - len(buffer), 0)
        buffer += data[:room]
        self.truncated = self.truncated or (self.began and len(data) > room)


def _partial(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of `data` may be the start of a mark."""
    for size in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-size:]):
            return size
    return 0
