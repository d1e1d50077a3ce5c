"""How the edits stage edits: its items, and what becomes of each."""
