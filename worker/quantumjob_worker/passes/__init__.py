"""Passes over a Qiskit circuit: each checks or rewrites one thing. Knows the loaders' gates, and no simulator."""
