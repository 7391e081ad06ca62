"""Requests to the REST service: what is asked, where the service is, and how it is sent. No Qiskit and no NumPy."""
