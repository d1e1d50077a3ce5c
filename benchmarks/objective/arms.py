"""The arms of the objective study, as a list to read: what is trained, for how long, and under how many seeds.

Steps are counted in steps of L_static of one batch. An arm's budget is a number of *steps*, or an amount of compute: as
many steps as cost the same as the steps of L_static + L_action (*action*), or of all three losses (*all*). Plain
fine-tuning is trained with each budget, so every other arm has a rival of the same cost.
"""

from dataclasses import dataclass, replace
from typing import Literal

from modeling.config import ObjectiveConfig
from modeling.presets import editaction, fine_tuned

STEPS = 300
"""Steps of the budget "steps"."""
STATIC_COST, ACTION_COST, REG_COST = 1.0, 0.7, 0.4
"""CPU seconds of a step's parts over those of L_static, as `python -m benchmarks.objective.run --costs` measures them.

L_action is a second forward and backward pass, L_reg a forward pass. Counted in passes they would be 1 and a third; a
doubled batch is cheaper than that on a CPU. What freezing attn2 saves (0.4 %) is not counted.
"""

Budget = Literal["steps", "action", "all"]
COSTS: dict[Budget, float] = {
    "action": STATIC_COST + ACTION_COST,
    "all": STATIC_COST + ACTION_COST + REG_COST,
}
"""Cost of one reference step; a budget of compute pays for as many of them as the budget "steps" has steps."""
Role = Literal["main", "ablation", "sweep", "search"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train an editor, or the untouched start."""

    name: str
    """Label of the arm's artifacts and rows."""
    role: Role
    """main: the claims. ablation: Table 5. sweep: one factor at a time. search: for a winner at equal compute."""
    objective: ObjectiveConfig | None
    """The losses; None leaves the start as it is."""
    budget: Budget = "steps"
    """Equal steps, or equal compute."""
    num_seeds: int = 2
    """Training seeds."""

    @property
    def references(self) -> tuple[str, ...]:
        """Arms that it is compared with: plain fine-tuning, and for an ablation the whole method too."""
        return (*PLAIN_ARMS, *(("editaction_demo",) if self.role == "ablation" else ()))

    @property
    def cost(self) -> float:
        """Return the cost of one step; a step of L_static alone costs 1."""
        return 0.0 if self.objective is None else step_cost(self.objective)

    def num_steps(self, steps: int = STEPS) -> int:
        """Return the arm's number of steps, where the budget "steps" has `steps`."""
        if self.objective is None or self.budget == "steps":
            return 0 if self.objective is None else steps
        return round(steps * COSTS[self.budget] / self.cost)


def step_cost(objective: ObjectiveConfig) -> float:
    """Return the mean cost of a step of an objective, in steps of L_static."""
    action = 0.0
    if objective.lambda_action:
        action = ACTION_COST * (objective.action_to - objective.action_from) / objective.action_every
    return STATIC_COST + action + (REG_COST if objective.lambda_reg else 0.0)


PLAIN = fine_tuned()
PLAIN_ARMS = ("finetuned", "finetuned_x1.7", "finetuned_x2.1")
"""Plain fine-tuning at equal steps, at the compute of L_static + L_action, and at that of all three losses."""
DEMO = ObjectiveConfig(lambda_action=0.1, lambda_reg=0.002, action_temperature=20.0)
"""The demo's values: attn2 frozen, all three losses."""
SHARP = replace(DEMO, lambda_reg=0.0, freeze="none")
"""L_static + L_action with a sharp sigmoid, nothing frozen: the best setting of the trial before this study."""


def _main(name: str, objective: ObjectiveConfig | None, budget: Budget = "steps", num_seeds: int = 5) -> Arm:
    return Arm(name=name, role="main", objective=objective, budget=budget, num_seeds=num_seeds)


def _ablation(name: str, objective: ObjectiveConfig) -> Arm:
    return Arm(name=name, role="ablation", objective=objective, num_seeds=5)


def _sweep(name: str, objective: ObjectiveConfig) -> Arm:
    return Arm(name=name, role="sweep", objective=objective)


def _search(name: str, objective: ObjectiveConfig, num_seeds: int = 2) -> Arm:
    return Arm(name=name, role="search", objective=objective, budget="action", num_seeds=num_seeds)


ARMS: tuple[Arm, ...] = (
    _main("untouched", None, num_seeds=1),
    _main("finetuned", PLAIN),
    _main("finetuned_x1.7", PLAIN, "action"),
    _main("finetuned_x2.1", PLAIN, "all"),
    _main("sharp", SHARP),
    _main("editaction_demo", DEMO),
    _ablation("without_action", replace(DEMO, lambda_action=0.0)),
    _ablation("without_reg", replace(DEMO, lambda_reg=0.0)),
    _ablation("without_freezing", replace(DEMO, freeze="none")),
    _sweep("editaction_paper", editaction()),
    _sweep("paper_action", replace(editaction(), lambda_reg=0.0, freeze="none")),
    *(_sweep(f"lambda_{value:g}", replace(SHARP, lambda_action=value)) for value in (0.01, 1.0)),
    *(_sweep(f"temperature_{value:g}", replace(SHARP, action_temperature=value)) for value in (1.0, 60.0)),
    *(_sweep(f"frozen_{scope}", replace(PLAIN, freeze=scope)) for scope in ("attn2", "attn", "transformer")),
    _sweep("reg_0.3", replace(PLAIN, lambda_reg=0.3)),
    _search("swapped", replace(SHARP, negatives="swapped"), num_seeds=5),
    _search("swapped_0.3", replace(SHARP, lambda_action=0.3, negatives="swapped")),
    _search("swapped_noisy", replace(SHARP, lambda_action=0.3, action_from=0.5, negatives="swapped")),
    _search("swapped_every4", replace(SHARP, action_every=4, negatives="swapped"), num_seeds=5),
    _search("same_verb", replace(SHARP, negatives="same_verb")),
    _search("same_object", replace(SHARP, negatives="same_object")),
    _search("every4", replace(SHARP, action_every=4)),
    _search("noisy_half", replace(SHARP, action_from=0.5)),
    _search("clean_half", replace(SHARP, action_to=0.5)),
)
"""The arms in the order in which they run, seed by seed: all arms under seed 0 first, and so on."""
HC_ARMS = ("untouched", "finetuned", "finetuned_x2.1", "editaction_demo")
"""Arms that are also trained on the head camera's kitchen."""


def arm(name: str) -> Arm:
    """Return the arm called `name`."""
    by_name = {arm.name: arm for arm in ARMS}
    if name not in by_name:
        raise ValueError(f"There is no arm {name!r}; choose of {', '.join(by_name)}, or the roles main, sweep, ...")
    return by_name[name]


def arms_named(text: str, style: str) -> tuple[Arm, ...]:
    """Return the arms that a text names by name or role, separated by commas.

    "all": those of the style ("lc", "hc").
    """
    known = ARMS if style == "lc" else tuple(arm(name) for name in HC_ARMS)
    chosen: dict[str, Arm] = {}
    for part in (part.strip() for part in text.split(",")):
        of_part = [member for member in known if part in ("all", member.role, member.name)]
        for member in of_part or [arm(part)]:
            chosen[member.name] = member
    return tuple(member for member in known if member.name in chosen) + tuple(
        member for name, member in chosen.items() if member not in known
    )
