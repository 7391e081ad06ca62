"""Objects and results of the object store as HTTP responses. Knows no route."""
