"""Fakes we ship, for our tests and for a site's own: at the outermost edge, and strict.

A fake refuses what the real thing refuses: `FakeRunner` knows only the commands it was given.
"""

from aami_hpc.testing.clock import FakeClock
from aami_hpc.testing.runner import FakeRunner

__all__ = ["FakeClock", "FakeRunner"]
