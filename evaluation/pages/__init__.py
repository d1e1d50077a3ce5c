"""What people look at: HTML pages, their charts and tables."""
