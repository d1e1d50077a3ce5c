"""Pictures, predictions and answers -> scores of editors, with their statistics and pages. No Prefect, no flows."""
