"""Assigns shards to shared workers and scales the workers of each namespace. No API calls but the autoscaler's."""
