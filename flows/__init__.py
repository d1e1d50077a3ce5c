"""The order of things: Prefect flows over the stages of tasks/, and the command `editaction`."""
