"""`make fuzz`: mutated input for every loader of the worker, through its real fork server and children."""
