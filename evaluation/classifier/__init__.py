"""The classifier of actions: TimeSformer, its clips and its training."""
