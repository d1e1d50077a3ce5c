"""Arrays of edits -> rows of scores."""
