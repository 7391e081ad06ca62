"""Keeps circuits apart from the worker and from each other: fork server, sandbox, scratch directory. No Qiskit here."""
