"""One file a method of editing."""
