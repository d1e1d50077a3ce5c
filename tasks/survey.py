"""shards + the edits of every method -> pages for raters, files for platforms, and the key, which stays separate.

    publish/form-01.html ...   one page a form, blinded, with its pictures inside
    publish/pictures/          the same pictures by their codes, for platforms and language models
    publish/mturk-test500.csv, mturk-test500.html, label-studio-test500.json, .xml, prolific-test500.csv, judge.jsonl
    key.json                   what every code stands for; raters must not see it

Item: a form. Only pairs that every method edited are rated; the first seed's edits are shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.human_study.questions import (
    check_questions,
    questions_for,
    wording,
)
from evaluation.human_study.survey import (
    Form,
    Item,
    RatedPicture,
    code_of,
    render_form,
)
from modeling.atomic import write_bytes
from modeling.data.example import Example
from modeling.data.images import Picture, encode_jpeg, encode_png, read_image, squash
from modeling.data.loader import Examples
from tasks.artifacts.artifact import Artifact, Record, digest_of
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import SurveyConfig
from tasks.exports.rating_files import notice_of, write_exports, write_key
from tasks.pages.editor_names import EDITS
from tasks.splitting.assignment import NOT_TESTED
from tasks.splitting.rated_pairs import Part, another_row, choose_rows, parts_of

LOSSLESS_PX = 128
"""Pictures up to this side are kept as PNG, larger ones as JPEG of quality 95: all of a study in the same way."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One picture of an item, with its kind."""

    code: str
    kind: str
    """edit, or a kind of control: truth, copy, other."""
    method: str
    """"" for controls."""
    picture: Picture


def first_edits(edits: Mapping[str, Artifact]) -> dict[str, dict[str, tuple[int, Path]]]:
    """Return method -> segment_id -> (seed, file) of the lowest seed."""
    by_method: dict[str, dict[str, tuple[int, Path]]] = {}
    for name, artifact in edits.items():
        files = by_method.setdefault(name.removeprefix(EDITS), {})
        for row in artifact.records():
            before = files.get(row["segment_id"])
            if before is None or int(row["seed"]) < before[0]:
                files[row["segment_id"]] = (int(row["seed"]), artifact.path / row["image"])
    return by_method


class _Pictures:
    """Reads pictures of the test pairs, all at the same size."""

    def __init__(self, shards: Artifact, rows: Sequence[Record]):
        self._examples = Examples(sorted({shards.path / row["shard"] for row in rows}))
        self._places = {segment_id: place for place, segment_id in enumerate(self._examples.segment_ids)}
        self.size_px = len(self._examples[0].edited_image) if len(self._examples) else 0

    def example(self, segment_id: str) -> Example:
        """Return the pair."""
        return self._examples[self._places[segment_id]]

    def encoded(self, picture: Picture) -> bytes:
        """Return a picture encoded like all pictures of the study: the file does not show its origin."""
        alike = squash(picture, self.size_px)
        return encode_png(alike) if self.size_px <= LOSSLESS_PX else encode_jpeg(alike)

    @property
    def suffix(self) -> str:
        """Of the files."""
        return "png" if self.size_px <= LOSSLESS_PX else "jpg"


def candidates_of(
    row: Record,
    control: str | None,
    edited: Mapping[str, Mapping[str, tuple[int, Path]]],
    rows: Sequence[Record],
    pictures: _Pictures,
    secret: str,
    config: SurveyConfig,
) -> Iterator[Candidate]:
    """Yield the edits of a pair, and the control among them."""
    segment_id = row["segment_id"]
    for method in sorted(edited):
        code = code_of(secret, segment_id, "edit", method)
        yield Candidate(code=code, kind="edit", method=method, picture=read_image(edited[method][segment_id][1]))
    if control is not None:
        example = pictures.example(segment_id)
        shown = {"truth": lambda: example.edited_image, "copy": lambda: example.source_image}
        shown["other"] = lambda: pictures.example(another_row(row, rows, config)["segment_id"]).edited_image
        code = code_of(secret, segment_id, "control", control)
        yield Candidate(code=code, kind=control, method="", picture=shown[control]())


def questions_of(row: Record, config: SurveyConfig) -> dict[str, str]:
    """Return the questions about a pair, with its action and object."""
    names = config.questions or questions_for(config.camera, is_long_distance=row["split"].startswith("long"))
    check_questions(names)
    action = row["verb"] or row["instruction"]
    return {name: wording(name, action=action, target=row["object"]) for name in names}


def _write_pictures(work: Work, item: Item, suffix: str) -> list[str]:
    """Write the pictures of an item for platforms; return their names."""
    files = {f"{item.code}-input": item.source_file, f"{item.code}-truth": item.truth_file}
    files |= {picture.code: picture.file for picture in item.pictures}
    (work.path / "publish" / "pictures").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_bytes(work.path / "publish" / "pictures" / f"{name}.{suffix}", content)
    return [f"publish/pictures/{name}.{suffix}" for name in files]


@stage
def survey(work: Work, config: SurveyConfig, *, shards: Artifact, **edits: Artifact) -> None:
    """Write the pages and the key. Inputs: the edits, each as `edits_<method>`."""
    rows = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    edited = first_edits(edits)
    chosen, rejected = choose_rows(rows, edited, config)
    if not chosen:
        raise ValueError(
            f"survey: of {len(rows)} test pairs none was edited by all of {', '.join(edited) or 'nobody'}."
        )
    secret = digest_of([shards.digest, *sorted(edit.digest for edit in edits.values()), config.seed])
    study = code_of(secret, "study")
    pictures = _Pictures(shards, rows)
    parts = parts_of(chosen, config)
    for number, part in enumerate(parts):
        work.progress(number, len(parts))
        _make_form(work, part, study, secret, edited, rows, pictures, config)
    work.progress(len(parts), len(parts))
    kept, _ = work.collect()
    write_key(work, study, kept, sorted(edited), config)
    write_exports(work, kept, pictures.suffix, config)
    work.funnel = {"test_pairs": len(rows), "edited_by_all": len(rows) - _num_missing(rejected), "rated": len(chosen)}
    by_pair = {row["segment_id"]: {name: row[name] for name in ("segment_id", "split", "form")} for row in kept}
    work.write_rows(by_pair.values(), rejected)


def _num_missing(rejected: Sequence[Record]) -> int:
    return sum(row["reason"] == "not_edited_by_all" for row in rejected)


def _make_form(
    work: Work,
    part: Part,
    study: str,
    secret: str,
    edited: Mapping[str, Mapping[str, tuple[int, Path]]],
    rows: Sequence[Record],
    pictures: _Pictures,
    config: SurveyConfig,
) -> None:
    """Write one form's page and pictures, unless they are there. The records say what each picture is."""
    key = digest_of(
        [secret, vars(config), part.name, [row["segment_id"] for row in part.rows], sorted(part.controls.items())]
    )
    if work.item_done(part.name, key):
        return
    items, records, names = [], [], []
    for place, row in enumerate(part.rows):
        shown = list(candidates_of(row, part.controls.get(place), edited, rows, pictures, secret, config))
        # Sorted by code: the order in the file does not show the methods either.
        shown.sort(key=lambda candidate: candidate.code)
        example = pictures.example(row["segment_id"])
        item = Item(
            code=code_of(secret, row["segment_id"], "item"),
            instruction=row["instruction"],
            source_file=pictures.encoded(example.source_image),
            truth_file=pictures.encoded(example.edited_image),
            questions=questions_of(row, config),
            pictures=[RatedPicture(code=rated.code, file=pictures.encoded(rated.picture)) for rated in shown],
        )
        items.append(item)
        names += _write_pictures(work, item, pictures.suffix)
        records += [_record(row, part, item, rated, edited) for rated in shown]
    form = Form(
        study=study,
        name=part.name,
        title=config.title,
        notice=notice_of(config) if "R3" in items[0].questions else "",
        items=items,
        platform_code=config.platform_code,
    )
    write_bytes(work.path / "publish" / f"{part.name}.html", render_form(form).encode())
    work.finish_item(part.name, key, kept=records, files=[*names, f"publish/{part.name}.html"])


def _record(
    row: Record, part: Part, item: Item, shown: Candidate, edited: Mapping[str, Mapping[str, tuple[int, Path]]]
) -> Record:
    return {
        "picture": shown.code,
        "item": item.code,
        "form": part.name,
        "segment_id": row["segment_id"],
        "video_id": row["video_id"],
        "split": row["split"],
        "instruction": row["instruction"],
        "kind": shown.kind,
        "method": shown.method,
        "seed": edited[shown.method][row["segment_id"]][0] if shown.method else None,
        "questions": dict(item.questions),
    }
