"""What the objective does: its arms trained by the main job, their verdicts recorded, tables made of the records."""
