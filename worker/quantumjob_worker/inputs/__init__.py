"""Fetches circuits, noise models and pub lists, and builds tasks for children. Never parses a circuit."""
