"""The drawn kitchen: a world in which an edit can be judged exactly. Scenes -> pictures -> readings -> verdicts."""
