"""A person's request -> stages in their order."""
