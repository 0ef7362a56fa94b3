"""Verbs, one file each: the only place that wires the parts below together. Entrances call these."""
