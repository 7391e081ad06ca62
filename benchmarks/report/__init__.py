"""Formats figures as tables for the terminal and for Markdown. Pure."""
