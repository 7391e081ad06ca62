"""Speaks to the API server: client, object helpers, work queue. Knows nothing of quantum jobs."""
