"""An editor's model card + the run's headline and first pairs -> the card to publish: README.md and examples.png.

Training writes the card before anything is edited or scored. The report adds the result to a copy of it, and gives the
snippet the settings under which the result was measured; the editor's own folder never changes. Both files belong
beside the pipeline when it is published.
"""

from pathlib import Path

from evaluation.pages.figures import edit_grid
from evaluation.pages.page import Gallery, Headline
from modeling.atomic import write_bytes
from modeling.config import SamplingConfig
from modeling.data.images import encode_png
from modeling.editors.model_index import OWN_MODULE, read_model_index
from modeling.runs.card_snippet import remark, snippet
from modeling.runs.model_card import MADE_FOR
from modeling.sheets import markdown_text
from tasks.artifacts.artifact import Artifact

CARD = "card"
"""Folder of the card in the report."""
NUM_EXAMPLES = 4
MEASURED_WITH = "Steps, scales, size and number type are those with which the result below was measured."
FENCE, END = "```python\n", "\n```"
TRAINING = "\n## Training\n"
"""Heading of training's card before which the result is put."""


def result_of(headline: Headline, gallery: Gallery) -> str:
    """Return the section on the result: the headline with its interval, the baselines, the example pairs."""
    lines = [
        "## Result",
        "",
        f"**{headline.value}** {headline.label}, {headline.interval}.",
        headline.recipe,
        "",
        *(f"* {name}: {value}" for name, value in headline.beside),
    ]
    shown = gallery.pairs[:NUM_EXAMPLES]
    if shown:
        names = ", ".join(dict.fromkeys(edit.name for pair in shown for edit in pair.pictures))
        told = "; ".join(markdown_text(pair.instruction) for pair in shown)
        lines += ["", f"![Examples: {names}](examples.png)", "", f"Columns: {names}. Rows: {told}."]
    return "\n".join(lines) + "\n"


def with_measured(card: str, pipeline: Path, sampling: SamplingConfig, instruction: str) -> str:
    """Return training's card with a snippet that edits as the run did; unchanged where there is no snippet."""
    head, fence, rest = card.partition(FENCE)
    _, end, tail = rest.partition(END)
    if not end:
        return card
    parts = read_model_index(pipeline)
    code = snippet(
        sampling,
        place=".",
        own_autoencoder=parts["vae"][0] == OWN_MODULE,
        instruction=instruction,
        saved_scheduler=parts["scheduler"][1],
    )
    told = " ".join(sentence for sentence in (MEASURED_WITH, remark(sampling)) if sentence)
    return head + fence + code + end + tail.replace(MADE_FOR, told, 1)


def write_card(
    folder: Path, editor: Artifact, headline: Headline, gallery: Gallery, sampling: SamplingConfig, instruction: str
) -> None:
    """Write the card into `folder`/card; nothing where the editor brings no card of its own."""
    own = editor.path / "pipeline" / "README.md"
    if not own.is_file():
        return
    card = with_measured(own.read_text(encoding="utf-8"), own.parent, sampling, instruction)
    before, heading, after = card.partition(TRAINING)
    (folder / CARD).mkdir(exist_ok=True)
    card = f"{before}\n{result_of(headline, gallery)}{heading}{after}"
    write_bytes(folder / CARD / "README.md", card.encode())
    if gallery.pairs:
        write_bytes(folder / CARD / "examples.png", encode_png(edit_grid(gallery.pairs[:NUM_EXAMPLES])))
