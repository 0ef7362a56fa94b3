"""The head node's side of aami-hpc: the command, and what it stands on."""

__version__ = "0.1.0"
