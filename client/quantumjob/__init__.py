"""The Python client: what a notebook has of the quantum job service."""
