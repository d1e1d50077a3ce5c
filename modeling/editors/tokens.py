"""A CLIPTokenizer: the part of a sentence beyond its limit, and its files for transformers 4 and 5."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def cut_off(tokenizer: Any, text: str) -> str:
    """Return the end of a sentence that lies beyond `model_max_length` and is not read; "" when the whole sentence is
    read.

    77 tokens in CLIP, 20 in the kitchen's editor, start and end token included.
    """
    tokens = tokenizer(text, truncation=False, padding=False, verbose=False, return_offsets_mapping=True)
    limit = int(tokenizer.model_max_length)
    if len(tokens.input_ids) <= limit:
        return ""
    first_letter, _ = tokens.offset_mapping[limit - 1]  # of the first token whose place the end token takes
    return text[first_letter:].strip()


def cut_texts(tokenizer: Any, texts: Sequence[str]) -> dict[str, str]:
    """Return {text: its end that is not read} for the texts that are too long."""
    ends = {text: cut_off(tokenizer, text) for text in dict.fromkeys(texts)}
    return {text: end for text, end in ends.items() if end}


def write_vocabulary(folder: Path) -> None:
    """Write `vocab.json` and `merges.txt` beside `tokenizer.json`, which holds the same.

    transformers 5 saves `tokenizer.json` alone; CLIPTokenizer of transformers 4 reads the other two and no other.
    """
    if not (folder / "tokenizer.json").is_file():
        return
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    vocabulary = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def shown(text: str, length: int = 60) -> str:
    """Return a text in quotes, its middle left out where it is long."""
    short = text if len(text) <= length else f"{text[: length // 2]} ... {text[-length // 2 :]}"
    return repr(short)
