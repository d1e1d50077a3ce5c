"""The kitchen's small editor and its first training."""
