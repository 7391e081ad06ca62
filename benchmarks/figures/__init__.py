"""The figures of a run as plain numbers, with ratios and targets. Pure. Times are in seconds by default."""
