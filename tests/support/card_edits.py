"""A folder with README.md and its pipeline -> the pictures of its snippet, by a reader who has the card alone.

    python -m tests.support.card_edits OUT < scenes.json     # in the folder of the card

The snippet is run to the letter on the first scene. What it loaded, and the numbers that stand in it, then edit every
scene: [{"name", "picture" (file), "instruction", "seed"}]. Nothing of EditAction's own editing is called.
"""

import ast
import json
import sys
from pathlib import Path

import torch
from PIL import Image


def main() -> None:
    """Write OUT/NAME.png for every scene."""
    out, scenes = Path(sys.argv[1]), json.load(sys.stdin)
    code = Path("README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    Image.open(scenes[0]["picture"]).save("picture.png")
    made: dict = {}
    exec(compile(code, "README.md", "exec"), made)
    assert Path("edited.png").is_file()
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    (call,) = [candidate for candidate in calls if getattr(candidate.func, "id", "") == "pipeline"]
    numbers = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
    made["pipeline"].set_progress_bar_config(disable=True)
    for scene in scenes:
        picture = Image.open(scene["picture"]).convert("RGB").resize(made["picture"].size, Image.LANCZOS)
        generator = torch.Generator().manual_seed(scene["seed"])
        edited = made["pipeline"](scene["instruction"], image=picture, generator=generator, **numbers).images[0]
        edited.save(out / f"{scene['name']}.png")


if __name__ == "__main__":
    main()
