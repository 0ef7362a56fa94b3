"""The nodes of a cluster: which there are, how a set of them is named, how they are reached together."""
