"""Measurements that a run asks for with --measure, beside those that main_job.py wires into the scores."""

from dataclasses import replace
from pathlib import Path

from evaluation.metrics.weights import find_weights
from flows.wiring.job import Job
from flows.wiring.main_job import Make, folder_label, measured_editors
from flows.wiring.outside_inputs import outside_weights
from tasks.config import ForgettingConfig
from tasks.pages.editor_names import FORGETTING


def forgetting_of(job: Job, trained: dict[str, Path | None], make: Make) -> dict[str, Path | None]:
    """Ask static edits of every editor and of the untouched start, as inputs `forgetting_LABEL`."""
    # Places of the table and of weights are no part of the key; their content is, as an input.
    scenes, given = replace(job.config.forgetting, triples=None, weights=None), {}
    network_weights = find_weights(scenes.features, job.config.forgetting.weights, "forgetting.weights")
    if network_weights is not None:
        given["weights"] = outside_weights(network_weights.location)
    if job.config.forgetting.triples is not None:
        # Here and not above: it imports pyarrow, which takes a third of a second.
        from tasks.annotations.triples import outside_triples

        given["triples"] = outside_triples(Path(job.config.forgetting.triples))
    config, asked = ForgettingConfig(scenes=scenes, sampling=job.config.edits.sampling), {}
    for label, editor in measured_editors(job, trained):
        name = folder_label(job.config.preset, label)
        asked[FORGETTING + label] = make("forgetting", name, config, editor=editor, **given)
    return asked
