"""Frozen values that every other part speaks in. No I/O, no clock, no third-party import."""
