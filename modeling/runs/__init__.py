"""A training run: its steps, checkpoints, log, and pictures on the way."""
