"""The measurements: functions that take the bench and return figures."""
