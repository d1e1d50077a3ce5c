"""Records and artifacts -> the content of pages."""
