"""A folder or CSV of pictures that another system made -> `<seed>/<segment_id>.png`, as our own edits lie.

Each test pair and seed ends as kept, as filtered (`edit_missing`, `edit_not_square`, `edit_too_small`), or as
failed (`edit_unreadable`).
The decoded pictures are copied, so the folder may be removed afterwards.
"""

from collections.abc import Sequence
from pathlib import Path

from modeling.atomic import write_bytes
from modeling.data.images import encode_png, may_be_picture
from modeling.editors.made_before import files_of, is_there, of_no_pair, picture_or_reason
from tasks.artifacts.artifact import Artifact, Outside, Record, digest_of
from tasks.artifacts.failures import failed
from tasks.artifacts.once import sha256_once
from tasks.artifacts.work import Work


def outside_pictures(place: Path) -> Outside:
    """Return pictures made elsewhere as a stage's input, by their content; ValueError where there are none."""
    files = files_of(place)
    digests = {
        f"{seed}/{segment_id}": sha256_once(path) if may_be_picture(path) else "missing"
        for (seed, segment_id), path in sorted(files.items())
    }
    return Outside(location=str(place), digest=digest_of(digests))


def take_over_pictures(
    work: Work, place: Path, shards: Artifact, rows: Sequence[Record]
) -> tuple[list[Record], list[Record]]:
    """Copy the pictures of the test pairs `rows`; return the records kept and rejected, one a pair and seed."""
    from modeling.data.loader import Examples  # imports torch: not for a command that only looks at a request

    files = files_of(place)
    least_px = len(Examples([shards.file(rows[0]["shard"])])[0].source_image) if rows else 1
    if strange := of_no_pair(files, [row["segment_id"] for row in rows]):
        work.warn(f"--edits {place}: {len(strange)} pictures are of no test pair, such as {strange[0]!r:.80}.")
    seeds = sorted({seed for seed, _ in files})
    kept: list[Record] = []
    rejected: list[Record] = []
    for number, row in enumerate(rows):
        work.progress(number, len(rows))
        for seed in seeds:
            record = {"segment_id": row["segment_id"], "split": row["split"], "seed": seed}
            path = files.get((seed, row["segment_id"]))
            picture = picture_or_reason(path, least_px)
            if isinstance(picture, str) and picture == "edit_unreadable":
                rejected.append(record | failed(picture, f"{path}: this is no picture that can be read."))
            elif isinstance(picture, str):
                what = f"{path} is {'not square' if picture == 'edit_not_square' else f'smaller than {least_px} px'}"
                what = what if is_there(path) else f"there is no file {path}" if path else "there is no picture of it"
                why = {"status": "filtered", "reason": picture, "message": f"{row['segment_id']}, seed {seed}: {what}."}
                rejected.append(record | why)
            else:
                image = f"{seed}/{row['segment_id']}.png"
                (work.path / str(seed)).mkdir(exist_ok=True)
                write_bytes(work.path / image, encode_png(picture))
                kept.append(record | {"image": image, "instruction": row["instruction"]})
    if not kept:
        such = f" Pictures here are of {strange[0]!r:.80} and others." if strange else ""
        raise ValueError(
            f"--edits {place}: none of the {len(rows)} test pairs, such as {rows[0]['segment_id']!r:.80}, has a "
            f"picture here that can be used.{such}"
        )
    return kept, rejected
