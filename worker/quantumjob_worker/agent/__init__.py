"""The parent process: requests orders, runs their shards in children, writes segments. Never parses a circuit."""
