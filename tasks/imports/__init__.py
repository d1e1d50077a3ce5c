"""Pairs that were made elsewhere -> shards."""
