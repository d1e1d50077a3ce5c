"""How the scores stage measures: its judge, and its items."""
