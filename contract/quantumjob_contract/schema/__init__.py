"""Structs that travel as JSON between the parts: program, orders, results. No I/O and no rules beyond their fields."""
