"""Bounds what clients take: connections, time and memory. Knows no route, neither Kubernetes nor the store."""
