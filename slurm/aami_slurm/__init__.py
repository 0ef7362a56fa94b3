"""Called by Slurm on compute nodes: standard library only, Python 3.6."""
