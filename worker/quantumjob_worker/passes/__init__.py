"""Passes over a Qiskit circuit, each of which checks or rewrites one thing. Runs no circuit."""
