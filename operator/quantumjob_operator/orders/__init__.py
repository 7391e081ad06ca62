"""Serves workers over HTTPS: authenticates pods, and hands out orders with presigned URLs. Imports no watch."""
