"""Reconciles QuantumJobs: plan decides, steps perform, controller loops. Imports neither watch nor orders."""
