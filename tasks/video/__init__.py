"""Exact frames of one video file."""
