"""What a training run keeps and shows."""
