"""How Slurm itself behaves where we rely on it, tried on every release of the lab."""
