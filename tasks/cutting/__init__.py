"""Video + segments -> pictures, their quality, clips."""
