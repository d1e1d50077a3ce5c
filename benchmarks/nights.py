"""Disk space of a night and of a year of nights: pictures, scores, report, rows of Prefect's database.

    python -m benchmarks.nights       # nights.json; about two CPU minutes

A tiny demo (96 px) on a server of its own, then nights: some find nothing new, one evaluates. Bytes of a picture of 512
px, as the paper samples, come from a photograph that matplotlib brings, written as the stage `edits` writes it. A year
is computed from these: 365 nights that find nothing, or 365 that each evaluate one new editor.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from benchmarks.recording import record
from flows.commands.server import prefect_server, set_environment
from modeling.data.images import encode_png

SETTINGS = {"kitchen.num_videos": 4, "splits.num_test": 20, "classifier.num_epochs": 1, "classifier.max_segments": 24}
SETTINGS |= {"editor.num_steps": 12, "editor.checkpoint_every": 4}
SAMPLING = {"edits.sampling.num_steps": 3}
NUM_IDLE = 3
"""Number of nights that find nothing new."""
PAIRS_OF_PAPER, SEEDS_OF_PAPER, SIDE_OF_PAPER_PX = 500, 3, 512
NIGHTS = 365
NIGHT = """
import json, sys

if __name__ == "__main__":
    from flows.commands.server import set_environment

    set_environment()
    from flows.nightly import nightly
    from flows.wiring.nightly_job import NightlyRequest

    print(nightly(NightlyRequest(**json.loads(sys.argv[1]))))
"""


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def database_bytes(home: Path) -> int:
    """Return the bytes of the server's database, with the files that are not yet merged into it."""
    with sqlite3.connect(home / "prefect.db", timeout=60) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[pages]] = database.execute("PRAGMA page_count").fetchall()
        [[size]] = database.execute("PRAGMA page_size").fetchall()
    return int(pages * size)


def python(*arguments: str) -> str:
    """Run Python to its end; return what it printed."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=os.environ)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def night(workspace: Path, **settings: Any) -> str:
    """Run one night; return its verdict."""
    return python("-c", NIGHT, json.dumps({"workspace": str(workspace), "settings": SAMPLING | settings}))


def photograph_bytes() -> int:
    """Return the bytes of a photograph of the paper's size as a PNG of ours."""
    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    side = min(Image.open(file).size)
    picture = Image.open(file).convert("RGB").crop((0, 0, side, side))
    return len(encode_png(np.asarray(picture.resize((SIDE_OF_PAPER_PX, SIDE_OF_PAPER_PX), Image.Resampling.LANCZOS))))


def main() -> None:
    set_environment()
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder) / "home"):
        workspace, home = Path(folder) / "w", Path(folder) / "home"
        given = [part for name, value in (SETTINGS | SAMPLING).items() for part in ("--set", f"{name}={value}")]
        python("-m", "flows.commands.cli", "demo", "--workspace", str(workspace), *given)
        night(workspace)  # the first night has rows of its own, such as those of the flow
        before = database_bytes(home)
        for _ in range(NUM_IDLE):
            assert night(workspace).startswith("Nothing new")
        idle = (database_bytes(home) - before) / NUM_IDLE
        before, stages = database_bytes(home), ("edits", "scores", "report")
        sizes = {stage: bytes_below(workspace / stage) for stage in stages}
        pictures = len(list(workspace.glob("edits/*/[0-9]*/*.png")))
        night(workspace, **{"edits.seeds": [1]})  # the edits of its start are made again, too
        grown = {stage: bytes_below(workspace / stage) - sizes[stage] for stage in stages}
        pictures = len(list(workspace.glob("edits/*/[0-9]*/*.png"))) - pictures
        evaluated = database_bytes(home) - before
    photo, num_edited = photograph_bytes(), PAIRS_OF_PAPER * SEEDS_OF_PAPER
    scores = grown["scores"] / pictures
    of_paper = num_edited * (photo + scores) + grown["report"] + evaluated
    record(
        "nights",
        "What does a night leave on the disk, and a year of nights?",
        {
            "idle_night_database_kb": round(idle / 1e3, 1),
            "evaluating_night_database_kb": round(evaluated / 1e3, 1),
            "picture_96_px_kb": round(grown["edits"] / pictures / 1e3, 1),
            "scores_of_a_picture_kb": round(scores / 1e3, 2),
            "report_kb": round(grown["report"] / 1e3, 1),
            "photograph_512_px_kb": round(photo / 1e3, 1),
            "year_of_idle_nights_mb": round(NIGHTS * idle / 1e6, 1),
            "evaluating_night_of_paper_mb": round(of_paper / 1e6, 1),
            "year_of_evaluating_nights_of_paper_gb": round(NIGHTS * of_paper / 1e9, 1),
        },
        pictures_of_paper=num_edited,
        note="The last two are computed: 500 pairs x 3 seeds at 512 px, one new editor a night; the editors themselves "
        "are not counted. SQLite.",
    )


if __name__ == "__main__":
    main()
