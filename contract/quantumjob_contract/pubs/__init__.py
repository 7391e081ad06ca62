"""Pure functions over a pub and its result: arrays, limits, seeds, files of many pubs. No I/O, no NumPy, no Qiskit."""
