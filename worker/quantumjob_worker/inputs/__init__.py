"""Fetches what pubs name (circuits, noise models, pub lists) and makes tasks for children. Parses no circuit."""
