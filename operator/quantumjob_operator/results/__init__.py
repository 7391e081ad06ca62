"""Promotes results from the pending to the completed bucket, and finds garbage. Knows no Kubernetes object."""
