"""HTTP clients of the order service and, by presigned URLs, of the object store. Holds no credentials of a store."""
