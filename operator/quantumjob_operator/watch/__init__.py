"""Watches the API server: informer, event router and resync. Only the informer imports kopf. Imports no orders."""
