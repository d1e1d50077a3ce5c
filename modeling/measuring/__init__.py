"""Measurements of an editor that need its networks."""
