"""The worker's parent process: takes orders, runs their shards in children, writes segments. Parses no circuit."""
