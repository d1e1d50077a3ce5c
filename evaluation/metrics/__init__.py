"""One file a metric, each with its formula and source."""
