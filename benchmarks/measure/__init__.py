"""The measurements, each a function that takes the bench and gives figures."""
