"""The losses, contrasting instructions, and what is frozen."""
