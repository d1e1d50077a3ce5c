"""Training examples: pictures, the record of one example, and shards of them."""
