"""Sites, HTTP, ranges and downloads."""
