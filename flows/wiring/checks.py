"""A job and its missing stages -> errors that would come late, one line each, before any work.

Checked are start, classifier start, FID weights, device, table header, 8-bit moments and free disk. A finished stage
needs no check. Heavy libraries are imported only by the checks that need them.
"""

import importlib.util
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from flows.wiring.disk_room import check_disk
from flows.wiring.hub_checks import Unreachable, check_hub
from flows.wiring.job import STAGE_ORDER, Job
from flows.wiring.making import Step
from modeling.editors.channels import channels_of, is_blind
from modeling.editors.settings import METHOD_CONFIGS
from modeling.editors.weight_files import check_weight_files
from modeling.small_editor.shipped import STARTING_EDITOR, TEXT_TO_IMAGE


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that will fail."""

    message: str
    """One line: what, where, what to do."""
    is_elsewhere: bool = False
    """True when it may be different on the machine or at the time of the run (a hub that cannot be reached)."""


def problems_of(job: Job, steps: Collection[Step]) -> list[Problem]:
    """Return everything that would stop the missing stages."""
    wanted = {step.stage for step in steps if not step.is_found}
    problems = []
    for check, stages in CHECKS.items():
        if not wanted & {*stages}:
            continue
        try:
            check(job)
        except Unreachable as error:
            problems.append(Problem(message=_line(error), is_elsewhere=True))
        except (ValueError, OSError) as error:
            problems.append(Problem(message=_line(error)))
    return problems


def refuse(job: Job, steps: Collection[Step]) -> None:
    """Raise ValueError with all problems, if there are any."""
    problems = problems_of(job, steps)
    if problems:
        raise ValueError("\n".join(problem.message for problem in problems))


def check_start(job: Job) -> None:
    """Check that the start is a pipeline with safetensors weights, usable for this training."""
    start, folder = job.config.start, Path(job.config.start)
    if not folder.is_dir():
        return check_hub(start, "--start", ("model_index.json",))
    check_weight_files(folder, f"--start {start}")
    _check_whole(folder, f"--start {start}")
    _, _, factor = channels_of(folder)
    for name, side in (("editor.size_px", job.config.editor.size_px), ("edits", job.config.edits.sampling.size_px)):
        if side % factor:
            raise ValueError(f"{name} is {side}, and --start {start} wants a multiple of {factor} pixels.")


def _check_whole(folder: Path, named: str) -> None:
    """Check everything about a pipeline's folder that its small files tell; the shipped ones are whole."""
    if folder.resolve() in (STARTING_EDITOR, TEXT_TO_IMAGE):
        return
    from modeling.editors.whole_folder import check_folder  # torch and diffusers: only for a folder of a user's own

    check_folder(folder, named)


def check_baseline(job: Job) -> None:
    """Check that the untouched start, where it is edited with too, sees the pictures."""
    start = job.config.start
    if job.config.untouched_start and is_blind(start):
        raise ValueError(
            f"--start {start} is text-to-image: its U-Net takes no picture, so the untouched start, a baseline, "
            "would give the same edit for every picture. Train from it with --until editor, leave the baseline out "
            "(--set untouched_start=false), or take an InstructPix2Pix pipeline."
        )


def check_text_start(job: Job) -> None:
    """Check that the text-to-image methods' model, where some are asked for, has weights and draws from text alone."""
    start, folder = job.config.text_editors.start, Path(job.config.text_editors.start)
    if not set(job.editors) & METHOD_CONFIGS.keys():
        return None
    if not folder.is_dir():
        return check_hub(start, "text_editors.start", ("model_index.json",))
    check_weight_files(folder, f"text_editors.start {start}")
    _check_whole(folder, f"text_editors.start {start}")
    latent, given, _ = channels_of(folder)
    if given != latent:
        raise ValueError(
            f"text_editors.start {start}: its U-Net takes {given} channels, and --editors want {latent} "
            "(text-to-image). Take such a model: --set text_editors.start=FOLDER."
        )


def check_pipelines(job: Job) -> None:
    """Check that the diffusers pipelines that shall edit exist, take their arguments, and have weights."""
    for name in [editor for editor in job.editors if editor not in METHOD_CONFIGS]:
        # torch and diffusers: only where one is asked for
        from modeling.editors.pipeline import check_pipeline, check_pipeline_folder

        given = job.config.editors[name]
        try:
            check_pipeline(given.class_name, given.arguments)
        except ValueError as error:
            raise ValueError(f"editors.{name}: {error}") from error
        folder = Path(given.start)
        if not folder.is_dir():
            check_hub(given.start, f"editors.{name}.start", ("model_index.json",))
        elif not list(folder.glob("*/*.safetensors")):
            raise ValueError(
                f"editors.{name}.start {given.start}: no part has weights as safetensors, and no others are read. Save "
                "the pipeline again with save_pretrained(FOLDER, safe_serialization=True)."
            )
        else:
            check_pipeline_folder(given.class_name, folder, f"editors.{name}.start {given.start}")


def check_adam(job: Job) -> None:
    """Check that 8-bit moments can be kept."""
    if job.config.editor.adam_bits == 8 and importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(
            "editor.adam_bits is 8, which needs bitsandbytes: pip install bitsandbytes, or set editor.adam_bits=32."
        )


def check_classifier(job: Job) -> None:
    """Check that the classifier's start can be read and fits the clips of this job."""
    config = job.config.classifier
    if config.start is None:
        return
    if not Path(config.start).exists():
        return check_hub(config.start, "classifier.start", ("model.safetensors", "pytorch_model.bin"))
    from evaluation.classifier.timesformer import published_timesformer  # imports torch: only for a user's own file

    try:
        published_timesformer(config.start, 2, 0, size_px=config.size_px, num_heads=getattr(config, "num_heads", None))
    except ValueError as error:
        raise ValueError(str(error) if "classifier.start" in str(error) else f"classifier.start: {error}") from error


def check_feature_weights(job: Job) -> None:
    """Check that the networks of FID and of the paired distances can be read."""
    config = job.config.scores
    for kind, weights, setting in (
        (config.fid_features, config.fid_weights, "scores.fid_weights"),
        (config.paired_features, config.paired_weights, "scores.paired_weights"),
    ):
        if kind is None:
            continue
        from evaluation.metrics.weights import find_weights

        network_weights = find_weights(kind, weights, setting)
        if network_weights is None:
            continue
        if not Path(network_weights.location).exists():
            check_hub(network_weights.location, setting, ("config.json",))
            continue
        from evaluation.metrics.fid import feature_network

        feature_network(kind, weights, setting=setting)


def check_triples(job: Job) -> None:
    """Check the table of static edits and the network that judges them."""
    config = job.config.forgetting
    if config.triples is None:
        return
    from evaluation.metrics.weights import find_weights
    from tasks.annotations.triples import read_triples

    read_triples(Path(config.triples))
    find_weights(config.features, config.weights, "forgetting.weights")


def check_device(job: Job) -> None:
    """Check that the device exists."""
    if job.request.device not in ("auto", "cpu"):
        from modeling.editors.instruct_pix2pix import pick_device

        pick_device(job.request.device)


def check_table(job: Job) -> None:
    """Check the header of a table of actions."""
    if job.config.segments.reader == "table" and job.annotations is not None and job.annotations.is_file():
        from tasks.annotations.table import read_table

        read_table(job.annotations)


def check_store(job: Job) -> None:
    """Check that the store that machines share can be asked."""
    from tasks.artifacts.shared_store import storage_of
    from tasks.artifacts.storage import StorageError

    try:
        if (storage := storage_of(job.request.options)) is not None:
            storage.check()
    except StorageError as error:
        raise Unreachable(str(error)) from error


CHECKS: dict[Callable[[Job], None], tuple[str, ...]] = {
    check_store: STAGE_ORDER,
    check_table: ("segments",),
    check_device: ("editor", "edits", "told_apart", "forgetting", "timing", "classifier", "scores"),
    check_start: ("editor", "edits", "told_apart", "forgetting", "timing"),
    check_baseline: ("edits", "told_apart", "forgetting", "timing"),
    check_triples: ("forgetting",),
    check_text_start: ("edits",),
    check_pipelines: ("edits", "timing"),
    check_adam: ("editor",),
    check_disk: ("editor",),
    check_classifier: ("classifier",),
    check_feature_weights: ("scores",),
}
"""Check -> stages that need what it checks, in the order in which problems are told."""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
