"""HTML pages, their charts and tables."""
