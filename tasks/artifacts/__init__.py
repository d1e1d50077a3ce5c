"""Folder + manifest: keys, building, items, the @stage decorator."""
