"""The study in which people rate edits: its questions, its page, its answers, and what they are worth."""
