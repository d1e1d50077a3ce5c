"""A saved editor -> whether the newest transformers 4 and its diffusers load it, read the same tokens and edit alike.

    python -m benchmarks.older_libraries --editor EDITOR/pipeline --libraries DIR

When DIR is empty, pip fills it with the older libraries alone (no torch). Most people have transformers 4: it reads
vocab.json and merges.txt, where transformers 5 saves tokenizer.json.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.recording import record

LIBRARIES = ("transformers==4.57.6", "diffusers==0.35.2", "huggingface_hub==0.36.2", "tokenizers==0.22.2")
SENTENCES = ("take the cup", "open the fridge, please", "Put the left plate on the table!", "cut carrot", "zebra's")
READ = """
import json, sys
import numpy as np, torch, diffusers, transformers
from PIL import Image
folder, sentences = sys.argv[1], json.loads(sys.argv[2])
if json.load(open(folder + "/model_index.json"))["vae"][0] == "modeling.autoencoder":
    import modeling.autoencoder
pipe = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, safety_checker=None)
pipe.set_progress_bar_config(disable=True)
rows = np.linspace(0, 255, 64).astype(np.uint8)
across, down = np.meshgrid(rows, rows)
picture = Image.fromarray(np.stack([across, down, np.full((64, 64), 90, np.uint8)], -1))
options = dict(num_inference_steps=2, guidance_scale=2.0, image_guidance_scale=1.0, output_type="np")
edit = pipe(sentences[0], image=picture, generator=torch.Generator().manual_seed(0), **options).images
limit = dict(padding="max_length", truncation=True, max_length=pipe.tokenizer.model_max_length)
print(json.dumps({
    "transformers": transformers.__version__, "diffusers": diffusers.__version__,
    "tokens": [pipe.tokenizer(text, **limit).input_ids for text in sentences],
    "edit": np.asarray(edit).ravel().tolist(),
}))
"""


def install(folder: Path) -> None:
    """Let pip install the older libraries into a folder of their own, unless they are there."""
    if not (folder / "transformers").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *LIBRARIES]
        subprocess.run(pip, check=True)


def read(editor: Path, libraries: Path | None) -> dict[str, Any]:
    """Load an editor in a process with these libraries before its own, tokenize and edit."""
    paths = [str(libraries)] if libraries else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*paths, str(Path(__file__).parents[1])])}
    command = [sys.executable, "-c", READ, str(editor), json.dumps(SENTENCES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{editor} did not load: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--editor", type=Path, required=True, help="pipeline folder of a saved editor")
    parser.add_argument("--libraries", type=Path, required=True, help="folder of the older libraries; filled if empty")
    given = parser.parse_args()
    install(given.libraries)
    older, ours = read(given.editor, given.libraries), read(given.editor, None)
    furthest = max(abs(a - b) for a, b in zip(older["edit"], ours["edit"], strict=True))
    record(
        "older_libraries",
        "Do the newest transformers 4 and its diffusers load a saved editor, and read and edit alike?",
        {"loaded": 1, "equal_tokens": float(older["tokens"] == ours["tokens"]), "furthest_pixel": round(furthest, 6)},
        older={name: older[name] for name in ("transformers", "diffusers")},
        ours={name: ours[name] for name in ("transformers", "diffusers")},
        sentences=SENTENCES,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
