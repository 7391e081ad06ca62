"""What a run has found, as plain numbers, and what follows from them. Pure. Times in seconds unless a name says so."""
