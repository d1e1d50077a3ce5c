"""One test file a system of editing."""
