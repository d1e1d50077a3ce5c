"""The study in which people rate edits: its questions, pages, answers and results."""
