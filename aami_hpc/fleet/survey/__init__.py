"""What is here: Slurm, this machine and what monitors it already, seen without changing anything.

Every part looks at one thing and returns sightings: a value and the file or command it came from, or why it
can't be told. All files are read below a root folder and all programs run by a runner, so that a test can
pass a small world of its own.
"""
