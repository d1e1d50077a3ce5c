"""Records and artifacts -> what a page needs."""
