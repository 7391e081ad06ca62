"""Submissions, and what is shown of jobs and results: pure functions and schemas. No I/O."""
