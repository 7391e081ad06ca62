"""Qiskit's pubs and circuits as `spec.program` of a QuantumJob. Sends nothing: uploads are given as a function."""
