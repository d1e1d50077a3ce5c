"""Measurements that a person runs: each writes one file of benchmarks/results/, and RESULTS.md tells it."""
