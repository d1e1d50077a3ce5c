"""An editor -> a page on this machine: a picture, an instruction, two guidance sliders, a seed, steps and a history.

gradio (extra `ui`) draws the page. Nothing leaves this machine: the page is served on 127.0.0.1 alone, with fonts of
the reader's own, without analytics, and gradio keeps its files in a folder that goes with the page.
"""

import os
import shlex
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from modeling.config import SamplingConfig
from modeling.data.images import Picture, read_image
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.tokens import cut_texts, shown
from modeling.small_editor.foreign import foreign_pictures

ADDRESS = "127.0.0.1"
MAX_HISTORY = 50
"""Edits that the page remembers."""
MAX_SEED = 2**32 - 1
MAX_SCALE = {"image_guidance": 3.0, "text_guidance": 15.0}
"""Ends of the sliders; the editor's own scales are within them."""
NEEDED = (
    "The interactive page needs gradio, which is not installed: pip install -e '.[ui]' in a checkout (without -c "
    "constraints.txt: gradio wants an older Pillow)."
)
ENVIRONMENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
CSS = """
footer {display: none !important}
.gradio-container {max-width: 1200px !important; margin: auto}
#edited img, #picture img {width: 100%; height: 100%; object-fit: contain}
#history .grid-wrap {min-height: 0 !important; max-height: none !important}
#history .grid-container {padding-top: 32px !important}
#history .grid-container {grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)) !important}
#history .caption-label {max-width: 100%; white-space: normal; text-align: left}
"""
"""Small edits are shown as large as their pictures; the history has as many columns as fit."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked for in one edit."""

    instruction: str
    """The instruction that the person wrote."""
    seed: int
    """Seed of the noise."""
    image_guidance: float
    """s_i of Eq. 8."""
    text_guidance: float
    """s_c of Eq. 8."""
    num_steps: int
    """Denoising steps."""

    @property
    def caption(self) -> str:
        """One line about the edit."""
        scales = f"s_i {self.image_guidance:g}, s_c {self.text_guidance:g}"
        return f"{self.instruction} | seed {self.seed}, {scales}, {self.num_steps} steps"

    def command(self, editor: str) -> str:
        """Return the command that makes the same edit of the file in.png."""
        words = ["editaction", "edit", "--editor", editor, "--image", "in.png", "--out", "out.png"]
        words += ["--instruction", self.instruction, "--seed", str(self.seed), "--steps", str(self.num_steps)]
        words += ["--image-guidance", f"{self.image_guidance:g}", "--text-guidance", f"{self.text_guidance:g}"]
        return shlex.join(words)


def edit_as_asked(editor: Editor, picture: Picture, asked: Asked, sampling: SamplingConfig) -> Picture:
    """Return the edit [S, S, 3]; ValueError for what cannot be asked, or numbers that are no picture."""
    if not asked.instruction.strip():
        raise ValueError("Say what to do: the instruction is empty.")
    if not 0 <= asked.seed <= MAX_SEED:
        raise ValueError(f"The seed is {asked.seed}; it is a whole number from 0 to {MAX_SEED}.")
    scaled = replace(sampling, image_guidance=asked.image_guidance, text_guidance=asked.text_guidance)
    config = replace(scaled, num_steps=asked.num_steps)
    return editor.edit([picture], [asked.instruction.strip()], [asked.seed], config)[0]


def remarks(editor: Editor, picture: Picture, instruction: str) -> list[str]:
    """Return what a person should know of this edit: a picture of another world, an instruction that is cut."""
    cut = cut_texts(editor.tokenizer, [instruction])
    remarks_on_text = [f"The text encoder does not read all of it: {shown(end)} is cut off." for end in cut.values()]
    return [remark for remark in (foreign_pictures(editor, [picture]), *remarks_on_text) if remark]


_FIELDS = {"instruction": str, "seed": int, "image_guidance": float, "text_guidance": float, "num_steps": int}
"""Fields of `Asked`, in the order of the page's controls."""


class Answers:
    """What the page answers when a person presses something."""

    def __init__(self, editor: Editor, name: str, sampling: SamplingConfig):
        self._editor, self._name, self._sampling = editor, name, sampling
        self._gradio = import_gradio()

    def edit(self, path: str | None, history: list[Any], *values: Any) -> tuple[Any, ...]:
        """Edit the picture at `path`; return the edit, remarks, command, what the gallery shows, and the history."""
        if path is None:
            raise self._gradio.Error("Choose a picture first.", duration=None)
        try:
            asked = Asked(**{field: kind(value) for (field, kind), value in zip(_FIELDS.items(), values, strict=True)})
            picture = read_image(Path(path))
            edited = edit_as_asked(self._editor, picture, asked, self._sampling)
        except (ValueError, TypeError, OSError) as error:
            raise self._gradio.Error(str(error).replace(path, "The picture"), duration=None) from error
        history = [(edited, asked.caption, asdict(asked)), *history][:MAX_HISTORY]
        said = "  \n".join(remarks(self._editor, picture, asked.instruction))
        return edited, said, asked.command(self._name), [entry[:2] for entry in history], history

    def look_back(self, history: list[Any], number: int) -> tuple[Any, ...]:
        """Return an earlier edit, its command, and its settings in the order of `_FIELDS`."""
        edited, _, asked = history[number]
        return edited, Asked(**asked).command(self._name), *asked.values()


def make_page(editor: Editor, name: str, sampling: SamplingConfig) -> Any:
    """Return the page (a gradio Blocks) of an editor that is called `name` on the command line."""
    import gradio

    answers = Answers(editor, name, sampling)

    def look_back(history: list[Any], event: gradio.SelectData) -> tuple[Any, ...]:  # gradio reads the annotation
        return answers.look_back(history, event.index)

    with gradio.Blocks(title="EditAction", analytics_enabled=False) as page:
        gradio.Markdown(f"# EditAction\n`{name}`, {sampling.size_px} px. Nothing leaves this machine.")
        history = gradio.State([])
        with gradio.Row():
            with gradio.Column():
                picture, values, button = _controls(gradio, sampling)
            with gradio.Column():
                edited, said, again, command = _results(gradio)
        gallery = gradio.Gallery(
            label="History: click an edit to see it and its settings again",
            format="png",
            object_fit="contain",
            fit_columns=False,
            allow_preview=False,
            elem_id="history",
        )
        outputs = [edited, said, command, gallery, history]
        for event in (button.click, values[0].submit):
            event(answers.edit, [picture, history, *values], outputs, api_visibility="private", concurrency_limit=1)
        gallery.select(look_back, [history], [edited, command, *values], api_visibility="private")
        again.click(lambda path: path, [edited], [picture], api_visibility="private")
    return page


def _controls(gradio: Any, sampling: SamplingConfig) -> tuple[Any, list[Any], Any]:
    """Draw what a person sets; return the picture, the values in the order of `_FIELDS`, and the button."""
    picture = gradio.Image(
        label="Picture",
        height=380,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        elem_id="picture",
    )
    instruction = gradio.Textbox(label="Instruction", placeholder="take out knife", elem_id="instruction")
    labels = {
        "image_guidance": "Image guidance s_i: higher keeps more of the picture",
        "text_guidance": "Text guidance s_c: higher follows the instruction more",
    }
    scales = [
        gradio.Slider(1, max(highest, value), value=value, step=0.1, label=labels[name], elem_id=name)
        for name, highest in MAX_SCALE.items()
        for value in [getattr(sampling, name)]
    ]
    with gradio.Row():
        seed = gradio.Number(value=0, precision=0, minimum=0, maximum=MAX_SEED, label="Seed", elem_id="seed")
        steps = gradio.Slider(
            1, max(100, sampling.num_steps), value=sampling.num_steps, step=1, label="Steps", elem_id="steps"
        )
    button = gradio.Button("Edit", variant="primary", elem_id="edit")
    return picture, [instruction, seed, *scales, steps], button


def _results(gradio: Any) -> tuple[Any, ...]:
    """Draw what a person gets: the edit, remarks about it, the way on from it, and its command."""
    height, buttons = 380, ["download"]
    return (
        gradio.Image(label="Edit", format="png", interactive=False, height=height, elem_id="edited", buttons=buttons),
        gradio.Markdown(elem_id="said"),
        gradio.Button("Go on from this edit", elem_id="go_on"),
        gradio.Textbox(label="The same on the command line", lines=3, elem_id="command", buttons=["copy"]),
    )


@contextmanager
def serving(editor: Editor, name: str, sampling: SamplingConfig, port: int | None = None) -> Iterator[str]:
    """Serve the page until the block ends; give its address. Port None: the first free one from 7860.

    ValueError without gradio, OSError where the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="editaction-try-") as folder:
        os.environ.update(ENVIRONMENT | {"GRADIO_TEMP_DIR": folder})
        gradio = import_gradio()
        theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
        page = make_page(editor, name, sampling)
        page.queue(max_size=16)
        try:
            _, address, _ = page.launch(
                server_name=ADDRESS,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                footer_links=[],
                theme=theme,
                css=CSS,
                max_file_size="512mb",
            )
            yield str(address)
        finally:
            page.close(verbose=False)


def import_gradio() -> Any:
    """Import gradio, told before to send nothing anywhere; ValueError says how to install it."""
    os.environ.update(ENVIRONMENT)
    try:
        import gradio
    except ImportError as error:
        raise ValueError(NEEDED) from error
    return gradio


def wait_for_ever() -> None:
    """Wait until a signal raises something here."""
    threading.Event().wait()
