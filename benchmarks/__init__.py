"""Measurements that a person starts: each writes one file in benchmarks/results/, and RESULTS.md reports it."""
