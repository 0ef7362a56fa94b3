"""`aami-node`: what a node knows, for people on it and for the head that pulls. No hook loads this."""
