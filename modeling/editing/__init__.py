"""Pictures and instructions from files in, edited pictures in files out."""
