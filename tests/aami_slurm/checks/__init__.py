"""Tests of the checks: each one's fixtures, its page, and what they have in common."""
