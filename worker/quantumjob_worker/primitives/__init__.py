"""Runs one pub as Qiskit's primitives define it: sampler, estimator, parameter sweep, saved states. Child only."""
