"""A request -> stages in their order."""
