"""Speaks to the API server: client, object helpers, work queue. Nothing here knows what a QuantumJob contains."""
