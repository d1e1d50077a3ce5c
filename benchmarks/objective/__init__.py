"""The objective study: the main job trains its arms, their verdicts are recorded, and tables are made."""
