"""The choice of λ1 and λ2 as in section 7.2 of the paper: a grid of short trainings, ranked by FID_output.

Every editor of the grid is trained for 1 000 steps on L_static and one further loss, edits the test pictures and is
scored; the ranking, Figure 8 and the choice are written into the workspace. The paper does not say on which pairs it
chose. Give the job a separate test set for this; otherwise the choice depends on the set that is reported.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.wiring.lambda_choice import told, write_choice
from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name
from modeling.presets import method_names, methods_of
from tasks.artifacts.artifact import Artifact

NUM_STEPS = 1_000
"""Training steps of each editor (section 7.2)."""


def grid_request(
    request: Request, grid: Literal["grid", "grid_decimal"], num_steps: int, weights: tuple[float, ...] = ()
) -> Request:
    """Return the request that trains and scores every editor of the grid, or of these weights alone."""
    return replace(
        request,
        methods=method_names(",".join(methods_of(weights)) if weights else grid),
        until="scores",
        settings=request.settings | {"editor.num_steps": num_steps},
    )


@flow(name="choose_lambdas", flow_run_name=run_name, result_serializer="json")
def choose_lambdas(
    request: Request,
    grid: Literal["grid", "grid_decimal"] = "grid",
    num_steps: int = NUM_STEPS,
    split: str | None = None,
    weights: tuple[float, ...] = (),
) -> str:
    """Train, edit and score the grid, or other `weights`; write and return the folder of the choice.

    `split`: the test set that decides.
    """
    asked = grid_request(request, grid, num_steps, weights)
    scores = Artifact.read(Path(run_stages(asked, last="scores", allow_failed=True)))
    folder = write_choice(Path(request.workspace), scores, split)
    create_markdown_artifact(told(folder), key="lambdas", description="The choice of the loss weights")
    return str(folder)
