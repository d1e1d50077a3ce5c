"""One training step: batches, draws, optimizer, ranks."""
