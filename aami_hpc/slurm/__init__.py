"""Calls Slurm (its opposite, `slurm/`, is called by Slurm): a client protocol, and back ends behind it."""
