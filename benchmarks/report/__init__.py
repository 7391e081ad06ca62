"""From figures to tables, and from tables to the terminal or to Markdown. Pure."""
