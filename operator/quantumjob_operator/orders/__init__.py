"""Serves workers over HTTP: authenticates a pod, hands out orders with presigned URLs. Knows no watch."""
