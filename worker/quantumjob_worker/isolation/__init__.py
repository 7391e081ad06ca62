"""Isolates pubs from the worker and from each other: fork server, sandbox, scratch directory. Imports no Qiskit."""
