"""`--editors all` from edits through scores to the report, on drawn pairs, with the shipped small models."""

import json
from pathlib import Path

import pytest

from flows.wiring.job import make_job
from flows.wiring.main_job import Dataset, evaluation
from flows.wiring.making import plainly
from flows.wiring.request import Request
from modeling.editors.settings import METHOD_CONFIGS
from tasks.artifacts.artifact import Artifact
from tasks.config import RunOptions
from tests.support.drawn_run import draw_run

pytestmark = pytest.mark.slow
NUM_EDITED = 4
SHORT = {f"text_editors.{name}.num_steps": 3 for name in METHOD_CONFIGS} | {
    "text_editors.limit": NUM_EDITED,
    "text_editors.plug_and_play.inversion_steps": 3,
    "text_editors.ddpm_noise_space.skip": 1,
    "text_editors.imagic.embedding_steps": 1,
    "text_editors.imagic.unet_steps": 1,
    "text_editors.masactrl.start_step": 1,
    "text_editors.prox_masactrl.start_step": 1,
    "edits.sampling.num_steps": 2,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run everything after training. The classifier and the trained editor's edits are made up."""
    workspace = tmp_path_factory.mktemp("workspace")
    run = draw_run(workspace)
    drawn = {"classifier": run.classifier.path, "demo-editaction": run.edits["edits_editaction"].path}
    paths: dict[str, Path] = {}
    really = plainly(workspace, RunOptions(workers=1, device="cpu"))

    def make(stage: str, label: str, config: object, **inputs: object) -> Path:
        path = drawn.get(label) or drawn.get(stage) or really(stage, label, config, **inputs)
        paths[label if stage == "edits" else stage] = path
        return path

    job = make_job(Request(preset="demo", editors=("all",), settings=SHORT, workspace=str(workspace)))
    pairs = Dataset(
        kitchen=run.kitchen.path, segments=None, videos=None, frames=None, splits=None, shards=run.shards.path
    )
    evaluation(job, pairs, {"editaction": run.editor.path}, make)
    return paths


def test_every_method_has_a_row_of_scores_on_the_pictures_that_the_limit_leaves(made: dict[str, Path]) -> None:
    (table,) = json.loads((made["scores"] / "scores.json").read_text())["splits"]
    rows = {row["editor"]: row for row in table["rows"]}
    assert {*METHOD_CONFIGS, "editaction", "start", "copy", "truth"} <= set(rows)
    assert table["num_pairs"] == NUM_EDITED
    for name in METHOD_CONFIGS:
        for measure in ("carried_out_percent", "kept_percent", "acc_match_gt_percent", "fid_output"):
            assert rows[name][measure]["mean"] is not None, (name, measure)
    assert rows["truth"]["carried_out_percent"]["mean"] == 100
    left_out = [row["reason"] for row in Artifact.read(made["scores"]).rejected()]
    assert left_out == ["beyond_limit"] * (10 - NUM_EDITED)


def test_edits_record_their_prompt_policy_and_the_report_names_every_method(made: dict[str, Path]) -> None:
    for name in METHOD_CONFIGS:
        records = list(Artifact.read(made[f"demo-{name}"]).records())
        assert len(records) == NUM_EDITED
        assert {row["prompt_policy"] for row in records} == {"instruction"}
    page = (made["report"] / "report.html").read_text()
    for name in ("Imagic", "Plug-and-Play", "DDPM Noise Space", "MasaCtrl", "Prox-MasaCtrl"):
        assert name in page
