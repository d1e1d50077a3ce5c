"""One test file for each editing system."""
