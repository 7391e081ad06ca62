"""What the parts of the quantum job operator have agreed on: keys, messages, results, reasons and exit codes.

Imports neither kopf nor kubernetes nor qiskit, so that every part and every reader of results can have it.
"""
