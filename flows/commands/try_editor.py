"""The command `try`: an editor -> a page on this machine on which a person tries it out."""

from dataclasses import replace

import click

from flows.commands.edit import newest_editor
from flows.commands.terminal import console
from flows.wiring.presets import sampling_for


@click.command("try")
@click.option(
    "--editor",
    required=True,
    help="As in `edit`: pipeline folder, folder of an editor artifact, hub id, or a workspace.",
)
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; by default the first free from 7860.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--device", default="auto", show_default=True, help="Torch device; auto takes a GPU when there is one.")
def try_editor(editor: str, port: int | None, open_browser: bool, device: str) -> None:
    """Try an editor on a page: two guidance sliders, seed, steps and a history. Ctrl-C ends it.

    The page is at 127.0.0.1 alone, and nothing leaves this machine. It needs the extra `ui` (gradio).
    """
    from modeling.editing.files import open_editor
    from modeling.editing.interactive import import_gradio, serving, wait_for_ever
    from modeling.editors.native_size import native_size_px

    import_gradio()
    place = newest_editor(editor)
    loaded = open_editor(place, device)
    sampling = replace(sampling_for(place), size_px=native_size_px(loaded))
    with serving(loaded, editor, sampling, port) as address:
        console.print(f"{address}  (Ctrl-C ends it)", soft_wrap=True)
        if open_browser:
            click.launch(address)
        wait_for_ever()
