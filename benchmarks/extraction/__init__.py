"""Parts of the benchmark `frame_extraction`: the films, the ways to get frames out of them, and what is measured."""
