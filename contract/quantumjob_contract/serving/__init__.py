"""What operator and REST service need to serve: probes and metrics, certificates. Needs aiohttp; not for workers."""
