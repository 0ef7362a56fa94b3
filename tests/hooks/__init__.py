"""Tests of the generations that nodes run."""
