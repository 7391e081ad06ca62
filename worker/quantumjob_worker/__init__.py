"""The worker: requests an order, runs each pub in a sandboxed child process, stores results by presigned URL."""
