"""The library of all parts: object keys, JSON schemas, reasons, exit codes, limits, store clients, reader of results.

Imports neither kopf nor kubernetes nor qiskit, so that every part and every reader of results can use it.
"""
