"""Our hooks in real Slurm clusters."""
