"""Reconciles one QuantumJob: plan decides, controller performs. Knows neither kopf nor the workers' HTTP."""
