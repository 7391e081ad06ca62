"""A real Kubernetes node on a plain Linux machine, for development and tests."""
