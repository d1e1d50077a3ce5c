"""The command `editaction`. Heavy things (torch, Prefect) are imported by the commands that need them, when they run.

Exit status: 0 success; 1 failure, and a message says why; 2 the command line is wrong; 3 success except for failed
items; 130 and 143 after Ctrl-C and SIGTERM.
"""

import io
import os
import sys
from pathlib import Path

import click

from flows.commands.choose_lambdas import choose_lambdas
from flows.commands.dataset import candidates, dataset_page, export, manifest
from flows.commands.edit import edit
from flows.commands.help_pages import GroupInSections
from flows.commands.import_pairs import import_pairs
from flows.commands.kitchen import kitchen, starting_editor, text_to_image
from flows.commands.run import demo, run
from flows.commands.scores import compare, scores
from flows.commands.settings import settings
from flows.commands.survey import survey
from flows.commands.try_editor import try_editor
from flows.commands.workspace import clean, records, report, status, verify


@click.group(cls=GroupInSections, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="editaction")
def cli() -> None:
    """Learn image edits from videos of actions: videos with labelled actions in, an image editor with scores out."""


for command in (demo, run, settings, status, records, verify, clean, report, scores, compare):
    cli.add_command(command)
for command in (dataset_page, candidates, manifest, export, import_pairs, edit, try_editor):
    cli.add_command(command)
for command in (kitchen, starting_editor, text_to_image, survey, choose_lambdas):
    cli.add_command(command)


def forget_current_folder() -> None:
    """Import nothing more from the current folder, which `python -m` put first in the path."""
    here, code = os.getcwd(), str(Path(__file__).resolve().parents[2])
    sys.path[:] = [folder for folder in sys.path if folder == code or os.path.abspath(folder) != here]


def main() -> None:
    """Run the command line: errors that the user can fix are one line; signals end it soon."""
    from flows.commands.screen import say, write_error
    from flows.commands.server import set_environment
    from flows.commands.terminal import Interrupted, ending_on_signals
    from tasks.artifacts.building import StageFailed

    set_environment()
    try:
        forget_current_folder()
        with ending_on_signals():
            cli(standalone_mode=False)
    except click.UsageError as error:
        told = io.StringIO()
        error.show(told)  # with what was typed, or put together by a script from names of others
        write_error(told.getvalue())
        sys.exit(2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.ClickException, StageFailed, ValueError, OSError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        say(message)
        sys.exit(1)
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.signal_number)


if __name__ == "__main__":
    main()
