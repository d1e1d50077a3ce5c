"""Help in sections: the commands by task, the options of long commands by topic, and an example for every command.

Click prints one list of commands and one of options. Here a command that is in no section comes under "More", so a new
command is never hidden.
"""

from collections.abc import Mapping, Sequence

import click

COMMANDS: Mapping[str, Sequence[str]] = {
    "The main job": ("demo", "run", "settings", "choose-lambdas"),
    "The data": ("dataset", "candidates", "manifest", "export", "import-pairs"),
    "Editors": ("edit", "try", "compare"),
    "Evaluation": ("scores", "survey", "report"),
    "The workspace": ("status", "records", "verify", "clean"),
    "The drawn kitchen": ("kitchen", "starting-editor", "text-to-image"),
}
"""Heading -> names of commands."""
OPTIONS: Mapping[str, Sequence[str]] = {
    "Recipe and data": [
        "preset",
        "annotations",
        "more_annotations",
        "videos",
        "fetch",
        "mirror",
        "connections",
        "retries",
        "start",
        "settings",
        "settings_file",
        "long_distance",
    ],
    "What to train and to compare": [
        "methods",
        "training_seeds",
        "measure",
        "editors",
        "limit",
        "edits",
        "safe",
        "adam_bits",
    ],
    "Which stages run": [
        "workspace",
        "until",
        "plan_only",
        "refresh",
        "retry_failed",
        "item_limit_s",
        "max_failed_share",
        "store",
        "items_on",
    ],
    "Device, speed and memory": [
        "device",
        "workers",
        "processes",
        "micro_batch",
        "gradient_checkpointing",
        "ema_on",
        "compile",
        "cache",
        "validate_every",
    ],
}
"""Heading -> names of options of `run` and `demo`; options of none of them come under "More"."""
EXAMPLES: Mapping[str, str] = {
    "demo": "editaction demo --methods editaction,finetuned",
    "run": "editaction run --preset table --annotations actions.csv --videos my_videos/ --plan",
    "settings": "editaction settings editor.objective --preset hc",
    "choose-lambdas": "editaction choose-lambdas --preset demo --steps 500",
    "dataset": "editaction dataset --workspace workspace",
    "candidates": "editaction candidates --out candidates.html",
    "manifest": "editaction manifest --out pairs.parquet",
    "export": "editaction export --to hf-parquet --out FOLDER",
    "import-pairs": "editaction import-pairs MagicBrush/ --out shards --test 500",
    "edit": 'editaction edit --editor workspace --image in.png --instruction "open fridge" --out out.png',
    "try": "editaction try --editor workspace",
    "compare": "editaction compare workspace-before workspace",
    "scores": "editaction scores --out tables/ --edits kontext=kontext_pictures/",
    "survey": "editaction survey --plan",
    "report": "editaction report --workspace workspace",
    "status": "editaction status --json",
    "records": "editaction records frames --rejected",
    "verify": "editaction verify --manifest pairs.parquet",
    "clean": "editaction clean --unused --keep 2",
    "kitchen": "editaction kitchen --out kitchen --style epic --videos 4",
    "starting-editor": "editaction starting-editor --out DIR --seed 0",
    "text-to-image": "editaction text-to-image --out DIR --seed 0",
}
"""Name of a command -> an example of it."""


class CommandInSections(click.Command):
    """A command whose help lists its options by topic."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in the sections of OPTIONS; the others come last."""
        records = {option.name: option.get_help_record(ctx) for option in self.get_params(ctx)}
        named = {name for names in OPTIONS.values() for name in names}
        sections = {**OPTIONS, "More": [name for name in records if name is not None and name not in named]}
        for heading, names in sections.items():
            rows = [row for name in names if (row := records.get(name)) is not None]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


class GroupInSections(click.Group):
    """The command `editaction`: its help lists the commands by task."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, with its example below its help."""
        example = EXAMPLES.get(name or cmd.name or "")
        if example is not None and cmd.epilog is None:
            cmd.epilog = f"Example: {example}"
        super().add_command(cmd, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in the sections of COMMANDS; the others come last."""
        named = {name for names in COMMANDS.values() for name in names}
        sections = {**COMMANDS, "More": [name for name in self.list_commands(ctx) if name not in named]}
        width = formatter.width - 6 - max(map(len, self.commands), default=0)
        for heading, names in sections.items():
            commands = [(name, self.commands[name]) for name in names if name in self.commands]
            if commands:
                with formatter.section(heading):
                    formatter.write_dl([(name, command.get_short_help_str(width)) for name, command in commands])
