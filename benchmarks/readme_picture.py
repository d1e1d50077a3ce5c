"""The picture in README: the four example pairs of a demo's report, as a PNG of few colours.

    python -m benchmarks.readme_picture --workspace workspace       # after `make demo`; writes docs/demo.png

The report chose the pairs by a hash of their ids, one verb after another (`card/examples.png` in its folder).
"""

import argparse
import io
from pathlib import Path

from PIL import Image

from modeling.atomic import write_bytes
from tasks.artifacts.artifact import newest_artifact
from tasks.pages.report_card import CARD

FILE = Path(__file__).resolve().parents[1] / "docs" / "demo.png"
NUM_COLOURS = 128
"""Number of colours. The drawn kitchen has few colours, so the file stays small."""


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path("workspace"), help="folder of a finished demo")
    report = newest_artifact(parser.parse_args().workspace, "report")
    with Image.open(report.path / CARD / "examples.png") as examples:
        picture = examples.convert("RGB").quantize(NUM_COLOURS)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    write_bytes(FILE, content.getvalue())
    size = f"{picture.width} x {picture.height}, {len(content.getvalue()) / 1000:.0f} kB"
    print(f"{FILE.name}: {size}, from {report.path.name}")


if __name__ == "__main__":
    main()
