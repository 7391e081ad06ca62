"""Assigns shards to shared workers and scales the workers of each namespace. Pure but for the autoscaler."""
