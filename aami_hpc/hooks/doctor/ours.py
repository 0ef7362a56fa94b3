"""What is ours in a site's Slurm: names and places of the launchers, and the times they keep to."""

from __future__ import annotations

HOOKS = ("Prolog", "Epilog")
PROGRAM = {name: f"/usr/libexec/aami-hpc/{name.lower()}" for name in HOOKS}
HEALTH = "/usr/libexec/aami-hpc/health"
LAUNCHER = {name: f"aami-{name.lower()}" for name in HOOKS}  # what stands beside slurm.conf
STATE = "/var/lib/aami-hpc"

# Seconds after which a hook of ours is over, whatever happens on the node.
PROLOG_S = 4
EPILOG_S = 8
HEALTH_S = 45
FRESH_S = 60  # the prolog believes what health saw for so long, then it looks for itself
