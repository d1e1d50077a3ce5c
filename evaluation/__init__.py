"""Numbers from arrays: what an edit is worth. No Prefect, no flows."""
