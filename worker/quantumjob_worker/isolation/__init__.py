"""Keeps circuits apart from the worker and from each other: fork server, sandbox and scratch directory. No Qiskit here."""
