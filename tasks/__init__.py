"""One file per stage of the main job, each a pure core under one thin Prefect task."""
