"""Helpers that more than one tier of tests uses."""
