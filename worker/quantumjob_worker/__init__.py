"""The worker: fetches its order, runs each pub in a sandboxed child by Qiskit Aer, stores results by presigned URL."""
