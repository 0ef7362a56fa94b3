"""`python -m aami_hpc` is the `aami-hpc` command."""

from aami_hpc.cli import main

main()
