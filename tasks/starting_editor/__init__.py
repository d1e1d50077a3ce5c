"""The kitchen's starting editor, built from drawn pictures."""
