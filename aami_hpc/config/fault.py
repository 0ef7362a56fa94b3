"""What is wrong with one value, in words that follow its key: `ssh.port must be a whole number`.

No message repeats a value: it may be a secret.
"""

from __future__ import annotations


class Fault(ValueError):
    """A value that can't be. `hint` says what to write instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Unavailable(Fault):
    """A value that refers to a variable or a file that is not there."""
