"""Fault matrices too long for every run: the tests marked `soak`, on every release we can run."""
