"""Probes that can't hang a hook, what they read of the GPUs, and what is remembered of both."""
