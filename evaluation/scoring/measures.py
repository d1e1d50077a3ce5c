"""Every measure of a score table: its column in the Parquet, its key in scores.json, and its meaning. No torch.

Each is one number per pair and edit, and its mean is the measure; set metrics too (evaluation/metrics/by_pair.py).
Where there are two networks of features, each measure of features stands there twice: once for each network.
"""

from dataclasses import dataclass, replace
from typing import Literal

TRUTH_VAE = "truth_vae"
"""Label of the ground truth through the editor's autoencoder; the folder of its pictures beside the start's edits."""

BESIDE = "_beside"
"""End of the columns and keys of a measure on the other network's features."""

Kind = Literal["share", "distance", "set"]
Network = Literal["fid_features", "paired_features"]
"""Setting that chose the network of a measure of features; under this key scores.json has the network's name."""
NETWORKS: tuple[Network, ...] = ("fid_features", "paired_features")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One column of the tables."""

    column: str
    """Name in the Parquet file, where values have their own unit: shares are 0 or 1."""
    key: str
    """Name in scores.json."""
    heading: str
    """Heading as it is printed."""
    meaning: str
    """Meaning in a few words, with ↑ or ↓ for better."""
    definition: str
    """Definition in a sentence or two, for the page."""
    kind: Kind
    factor: float = 1.0
    """Factor from the Parquet to scores.json and print: 100 for percent, 1000 for KID."""
    network: Network | None = None
    """Setting of the network whose features it compares; None: it needs no features."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """What the interval stays inside, in the Parquet's unit."""
        return (0.0, 1.0) if self.kind == "share" else None

    @property
    def base(self) -> str:
        """Column of the same measure, whichever network's features it compares."""
        return self.column.removesuffix(BESIDE)

    @property
    def is_percent(self) -> bool:
        """Whether it is printed with a percent sign."""
        return self.kind == "share"


def _share(
    column: str, key: str, heading: str, meaning: str, definition: str, network: Network | None = None
) -> Measure:
    return Measure(
        column=column,
        key=key,
        heading=heading,
        meaning=meaning,
        definition=definition,
        kind="share",
        factor=100,
        network=network,
    )


_MEASURES: tuple[Measure, ...] = (
    _share(
        "carried_out",
        "carried_out_percent",
        "Carried out",
        "oracle, drawn kitchen, ↑",
        "All that the instruction asks for is clearly seen by the oracle of the drawn kitchen.",
    ),
    _share(
        "kept",
        "kept_percent",
        "Rest kept",
        "oracle, drawn kitchen, ↑",
        "Nothing else changed, as the oracle sees it; a wrong thing where the goal wants its own counts as not carried "
        "out.",
    ),
    _share(
        "nearer",
        "nearer_percent",
        "Nearer to truth",
        "than the input is, ↑",
        "Share of edits whose features are nearer to the ground truth than the input's are: a copy scores 0 %, the "
        "ground truth 100 %. It asks whether the edit went the right way, not whether it arrived.",
        network="paired_features",
    ),
    Measure(
        column="kid_output",
        key="kid_output",
        heading="KID output",
        meaning="× 1000, to the ground truth, ↓",
        definition="Kernel distance between the sets of edits and of ground truths, times 1000, in its paired form: "
        "edit i and truth i belong together, so they are not compared with each other. Unbiased at any n.",
        kind="set",
        factor=1000,
        network="fid_features",
    ),
    Measure(
        column="distance_truth",
        key="distance_truth",
        heading="To truth",
        meaning="paired distance, ↓",
        definition="Mean cosine distance between the features of each edit and of its own ground truth.",
        kind="distance",
        network="paired_features",
    ),
    _share(
        "match_gt",
        "acc_match_gt_percent",
        "Acc A",
        "same action as ground truth, ↑",
        "A TimeSformer sees the input four times and the edit four times, and recognises the same action as with the "
        "ground truth in the edit's place.",
    ),
    _share(
        "label",
        "acc_label_percent",
        "Acc B",
        "annotated action, ↑",
        "The same TimeSformer recognises the annotated action; ground truth is the ceiling, the copy of the input the "
        "floor.",
    ),
    _share(
        "told_apart",
        "told_apart_percent",
        "Told apart",
        "P(e_c < e_c'), ↑",
        "Share of draws in which the editor's error on the ground truth is smaller under the pair's own instruction "
        "than under another one without a common word, at the same noise.",
    ),
    _share(
        "told_apart_same_verb",
        "told_apart_same_verb_percent",
        "Told apart, verb",
        "from c' of the same verb, ↑",
        "The same, where the other instruction has the same verb and another object.",
    ),
    _share(
        "told_apart_same_object",
        "told_apart_same_object_percent",
        "Told apart, object",
        "from c' of the same object, ↑",
        "The same, where the other instruction does something else to the same object.",
    ),
    _share(
        "no_change",
        "no_change_percent",
        "No change",
        "where truth changes, ↓",
        "Share of edits that moved by less than a quarter of what the ground truth moves where it changes.",
    ),
    Measure(
        column="psnr_outside",
        key="psnr_outside",
        heading="PSNR outside",
        meaning="dB, outside the change, ↑",
        definition="PSNR of edit and input outside the region that the ground truth changes; 60 dB at most (a copy).",
        kind="distance",
    ),
    Measure(
        column="ssim_outside",
        key="ssim_outside",
        heading="SSIM outside",
        meaning="outside the change, ↑",
        definition="Structural similarity of edit and input outside the region that the ground truth changes.",
        kind="distance",
    ),
    Measure(
        column="distance_input",
        key="distance_input",
        heading="To input",
        meaning="paired distance",
        definition="Mean cosine distance between the features of each edit and of its own input: 0 for a copy.",
        kind="distance",
        network="paired_features",
    ),
    Measure(
        column="fid_output",
        key="fid_output",
        heading="FID output",
        meaning="to the ground truth, ↓",
        definition="Fréchet distance between the sets of edits and of ground truths: the paper's measure. It falls "
        "with the size of the sets and cannot see whose edit is whose: a copy of the input scores well.",
        kind="set",
        network="fid_features",
    ),
    Measure(
        column="fid_input",
        key="fid_input",
        heading="FID input",
        meaning="to the inputs, ↓",
        definition="Fréchet distance between the sets of edits and of inputs.",
        kind="set",
        network="fid_features",
    ),
    Measure(
        column="kid_input",
        key="kid_input",
        heading="KID input",
        meaning="× 1000, to the inputs, ↓",
        definition="Paired kernel distance, times 1000, between the sets of edits and of inputs.",
        kind="set",
        factor=1000,
        network="fid_features",
    ),
)


def _on_the_other_network(measure: Measure) -> Measure:
    return replace(
        measure,
        column=measure.column + BESIDE,
        key=measure.key + BESIDE,
        network="fid_features" if measure.network == "paired_features" else "paired_features",
    )


MEASURES: tuple[Measure, ...] = tuple(
    told
    for measure in _MEASURES
    for told in ((measure,) if measure.network is None else (measure, _on_the_other_network(measure)))
)
"""Measures in the order of the columns; those that see the action come first. Measures on the other network exist
where there are two networks."""

BY_VERB = ("carried_out", "kept", "match_gt", "label", "nearer")
"""Columns that are told by verb as well."""
