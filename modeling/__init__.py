"""The editor: a diffusion pipeline that edits a picture by an instruction. Runs without Prefect, from the shell."""
