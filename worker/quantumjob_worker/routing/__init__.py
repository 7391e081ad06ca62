"""Chooses engine and simulation method of a circuit by a cost model. Pure: runs nothing."""
