"""Shards and pairs for other tools."""
