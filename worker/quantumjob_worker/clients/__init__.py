"""Talks HTTP to the order service and, by presigned URLs, to the object store. Holds no credentials of a store."""
