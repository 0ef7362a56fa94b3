"""What stands between this site's Slurm and hooks that can be trusted: found, explained, and what to write instead.

Facts come from `scontrol show config`, and from nodes where they may be asked. One pitfall is one function that
gives findings as data; docs/hooks.md has a section for each. Nothing here writes into Slurm's files.
"""
