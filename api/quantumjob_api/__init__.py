"""The REST service: QuantumJobs over HTTP, each call with the caller's own rights in Kubernetes."""
