"""The edges: the clock, programs, files and SSH. Everything above takes these as arguments."""
