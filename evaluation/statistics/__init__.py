"""Intervals and tests over pairs, videos and seeds."""
