"""Pairs that were made elsewhere: how they are found, and how they become shards."""
