"""Watches the API server: kopf's informer, the routing of its events, and the resync. kopf is imported here only."""
