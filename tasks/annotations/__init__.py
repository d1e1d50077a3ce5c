"""Annotation files -> one Segment record."""
