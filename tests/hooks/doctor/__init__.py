"""Tests of what the doctor knows about Slurm."""
