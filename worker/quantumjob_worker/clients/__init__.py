"""Talks HTTP to the operator's order service and to the object store by presigned URLs. Holds no credentials of a store."""
