"""Tests of what runs on compute nodes."""
