"""Pairs -> training and test sets."""
