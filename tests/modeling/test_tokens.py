"""The tokenizer's files, for libraries that read vocab.json and merges.txt."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models

from modeling.editors.instruct_pix2pix import Editor
from modeling.small_editor.shipped import STARTING_EDITOR
from tests.support.tiny_pipeline import tiny_pipeline


def test_a_saved_editor_has_vocabulary_and_merges_beside_its_tokenizer(tmp_path: Path) -> None:
    editor = Editor(tiny_pipeline())
    editor.save(tmp_path)
    folder = tmp_path / "tokenizer"
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    assert vocabulary == editor.tokenizer.get_vocab()
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#version")
    merges = [tuple(line.split(" ")) for line in lines[1:]]
    read = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
    assert read.encode("cupboard").tokens == editor.tokenizer.tokenize("cupboard")


def test_the_shipped_editor_has_them_too() -> None:
    assert (STARTING_EDITOR / "tokenizer" / "vocab.json").is_file()
    assert (STARTING_EDITOR / "tokenizer" / "merges.txt").is_file()
