"""What one run of the command carries: the global options, and the parts that commands ask for."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.config import Settings
    from aami_hpc.io.progress import Progress


class App:
    """Global options. They may stand before and after the subcommand, so each is set when it is met.

    A plain class: `--help` would pay for the dataclasses module, and for pathlib.
    """

    def __init__(self) -> None:
        self.config_file = ""
        self.json = False
        self.verbosity = 0
        self.no_color = False

    def settings(self) -> Settings:
        """The configuration, read anew: built-in defaults when there is none."""
        from aami_hpc.config import load

        return load(self.config_path)

    @property
    def config_path(self) -> Path | None:
        """The file named by --config, if one was."""
        from pathlib import Path

        return Path(self.config_file) if self.config_file else None

    def progress(self) -> Progress:
        """Progress on standard error: drawn on a terminal, plain lines elsewhere, nothing with --quiet."""
        from aami_hpc.cli.progress import choose

        return choose(quiet=self.verbosity < 0, color=self.color(sys.stderr))

    def color(self, stream: object) -> bool:
        """Whether colours are wanted and the stream can show them."""
        isatty = getattr(stream, "isatty", None)
        wanted = not self.no_color and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        return wanted and bool(isatty and isatty())
