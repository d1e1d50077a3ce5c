"""Noise schedule and sampling."""
