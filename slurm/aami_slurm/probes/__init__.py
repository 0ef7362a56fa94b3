"""What a probe's child does: each module here reads one fact in `read(ask)` and may import what it likes."""
