"""Generations of the node's side: rendered here, pushed over SSH, switched by one link, read back."""
