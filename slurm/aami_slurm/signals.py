"""What the `signal` module is made of, without its enums: loading those costs a hook a third of a start of Python."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

signal: "Any" = __import__("_signal")
