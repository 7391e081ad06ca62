"""Promotes results from the pending to the completed bucket, and collects garbage. Knows no Kubernetes object."""
