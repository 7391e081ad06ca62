"""Calls of the Kubernetes API with the caller's token, and waiting for a job. Knows no route and no store."""
