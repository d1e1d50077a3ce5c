"""Config + examples + start -> warnings before the first step.

Nothing here stops a run: certain errors are refused elsewhere. The warnings depend on config, start and data alone, so
a resumed run gives the same warnings.
"""

from collections.abc import Mapping, Sequence

from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.tokens import cut_texts, shown
from modeling.objective.kindred_negatives import make_sampler
from modeling.objective.negatives import NegativeSampler
from modeling.small_editor.foreign import NUM_LOOKED_AT, foreign_pictures

MAX_EPOCHS = 100
"""A run with more epochs than this gets a warning. The paper's runs have 19 to 27 epochs of 24 000 to 34 000 pairs."""


def warnings_before(config: TrainConfig, examples: Examples, editor: Editor) -> list[str]:
    """Return the warnings about this run, the most important first."""
    sampler = make_sampler(examples, editor.tokenizer, config.objective.negatives)
    pictures = [examples[number].source_image for number in range(min(NUM_LOOKED_AT, len(examples)))]
    sentences = [
        foreign_pictures(editor, pictures),
        no_contrast(config, sampler),
        one_verb(examples.column("verb")),
        many_epochs(config, len(examples)),
        cut_instructions(examples.instructions, cut_texts(editor.tokenizer, sampler.unique)),
    ]
    return [sentence for sentence in sentences if sentence]


def no_contrast(config: TrainConfig, sampler: NegativeSampler) -> str:
    """Warn of examples without another instruction: L_action is 0 for them."""
    if not config.objective.lambda_action:
        return ""
    num_examples = len(sampler.number_of_example)
    num_alone = sum(sampler.pool(int(number))[1] == 0 for number in sampler.number_of_example)
    if not num_alone:
        return ""
    if num_alone == num_examples:
        return (
            f"All {num_examples:,} training instructions are equal ({sampler.unique[0]!r}): there is no other one to "
            "contrast with, L_action is 0 throughout, and the editor learns this one edit whatever it is told."
        )
    return f"{num_alone:,} of {num_examples:,} training examples have no other instruction: L_action is 0 for them."


def one_verb(verbs: Sequence[str]) -> str:
    """Warn when there is only one class of actions."""
    known = {verb.strip().lower() for verb in verbs} - {""}
    if len(known) != 1:
        return ""
    return (
        f"All {len(verbs):,} training examples have one verb ({known.pop()}): a classifier of actions has one class "
        "then, and its accuracy of 100 % says nothing."
    )


def epochs_of(config: TrainConfig, num_examples: int) -> float:
    """Return the number of epochs."""
    return config.num_steps * config.batch_size / max(1, num_examples)


def many_epochs(config: TrainConfig, num_examples: int) -> str:
    """Warn when there are very many epochs, and suggest a number of steps."""
    epochs = epochs_of(config, num_examples)
    if epochs <= MAX_EPOCHS:
        return ""
    enough = max(1, round(MAX_EPOCHS * num_examples / config.batch_size))
    return (
        f"{config.num_steps:,} steps of {config.batch_size} see each of {num_examples:,} training pairs {epochs:,.0f} "
        f"times; above {MAX_EPOCHS} an editor may learn them by heart. Fewer steps: --set editor.num_steps={enough} "
        f"({MAX_EPOCHS} times). --validate-every with held-out pairs (--set splits.num_validation=20) shows when it "
        "stops getting better."
    )


def cut_instructions(instructions: Sequence[str], cut: Mapping[str, str]) -> str:
    """Count the examples whose instruction is longer than the text encoder reads, and show one."""
    if not cut:
        return ""
    count = sum(text in cut for text in instructions)
    text, end = max(cut.items(), key=lambda item: len(item[0]))
    return (
        f"{count:,} of {len(instructions):,} training instructions are longer than the text encoder reads "
        f"(instruction_too_long): what follows is cut off. Of {shown(text)} it never reads {shown(end)}."
    )
