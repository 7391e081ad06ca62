"""Chooses the simulation method and the engine of a circuit by a cost model. Runs nothing."""
