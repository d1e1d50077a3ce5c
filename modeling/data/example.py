"""One training example <-> its members of a WebDataset tar. The only file that knows their names and contents.

    <segment_id>.source.png|jpg   the picture before the action
    <segment_id>.edited.png|jpg   the picture after it
    <segment_id>.json             everything else

Nothing but PNG, JPEG and JSON is ever decoded: WebDataset's own `.decode()` unpickles what is called .pyd or .pickle.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from modeling.data.images import Picture, decode_image
from modeling.json_text import parse_json

PICTURES = ("source", "edited")
"""The two pictures of an example, as members call them."""
EXTENSIONS = frozenset({"json"} | {f"{name}.{format_}" for name in PICTURES for format_ in ("png", "jpg")})
"""Endings of the names of members, behind the key; a member with another ending is refused."""
_KEY = re.compile(r"[^./\\\s\x00-\x1f]+")
_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """An instruction with the pictures before and after it was carried out."""

    segment_id: str
    """Key of the pair everywhere; no dots, slashes or spaces."""
    split: str
    """The split that it belongs to, such as train or test500."""
    video_id: str
    """The video that it was cut from."""
    start_s: float
    """Start of the action, seconds from the video's first presented frame."""
    stop_s: float
    """Time of the action's stop."""
    instruction: str
    """The action in words."""
    verb: str
    """The instruction's verb."""
    object: str
    """The thing that the action is done to; "" when the annotation names none."""
    start_point: str
    """The place where the action starts; "" when the annotation names none."""
    end_point: str
    """The place where the action ends; "" when the annotation names none."""
    overlaps: bool
    """True when another action of the video overlaps this one in time."""
    source_file: bytes
    """The picture before: a whole PNG or JPEG file, kept as it was first encoded."""
    edited_file: bytes
    """The picture after, likewise."""

    def __post_init__(self) -> None:
        check_key(self.segment_id)

    @property
    def source_image(self) -> Picture:
        """Decode the picture before the action: uint8 [H, W, 3]."""
        return decode_image(self.source_file, name=f"{self.segment_id}.source")

    @property
    def edited_image(self) -> Picture:
        """Decode the picture after the action: uint8 [H, W, 3]."""
        return decode_image(self.edited_file, name=f"{self.segment_id}.edited")


METADATA = tuple(field.name for field in fields(Example) if field.name not in ("source_file", "edited_file"))
"""The fields in an example's JSON member, in this order."""
_TYPES: dict[str, type | tuple[type, ...]] = dict.fromkeys(METADATA, str)
_TYPES |= {"start_s": (int, float), "stop_s": (int, float), "overlaps": bool}


def check_key(segment_id: str) -> None:
    """Raise ValueError unless `segment_id` can be the key of members and the name of a file."""
    if not _KEY.fullmatch(segment_id) or len(segment_id.encode()) > 200:
        raise ValueError(
            f"segment_id {segment_id!r} cannot be a key in a shard: it must be 1 to 200 bytes without dots, slashes "
            "and spaces (WebDataset cuts keys at the first dot). Rename the video or the segment."
        )


def split_name(member: str) -> tuple[str, str]:
    """Split a member's name into key and extension; ValueError when no example has such a name."""
    key, _, extension = member.partition(".")
    if not _KEY.fullmatch(key) or extension not in EXTENSIONS:
        raise ValueError(
            f"member {member!r} is none of {', '.join(f'<key>.{extension}' for extension in sorted(EXTENSIONS))}"
        )
    return key, extension


def picture_format(file: bytes) -> str:
    """Return png or jpg by a file's first bytes; ValueError for anything else."""
    for name, magic in _MAGIC.items():
        if file.startswith(magic):
            return name
    raise ValueError(f"A picture in a shard is PNG or JPEG; this one starts with {file[:8]!r}.")


def encode(example: Example) -> dict[str, bytes]:
    """Return the members of `example`: name -> content. Equal examples give equal bytes."""
    metadata = json.dumps(metadata_of(example), ensure_ascii=False, allow_nan=False).encode()
    members = {}
    for name, file in zip(PICTURES, (example.source_file, example.edited_file), strict=True):
        members[f"{example.segment_id}.{name}.{picture_format(file)}"] = file
    return members | {f"{example.segment_id}.json": metadata}


def decode(members: Mapping[str, bytes]) -> Example:
    """Return the example in `members`, the inverse of `encode`; ValueError when `encode` cannot have made them."""
    keys = {split_name(name)[0] for name in members}
    parts = {extension.split(".")[0]: name for name in members for _, extension in [split_name(name)]}
    if len(keys) != 1 or set(parts) != {*PICTURES, "json"} or len(members) != 3:
        raise ValueError(f"Members {sorted(members)} are not one source, one edited and one json of one key.")
    metadata = decode_metadata(members[parts["json"]], name=parts["json"])
    if metadata["segment_id"] not in keys:
        raise ValueError(f"{parts['json']} says segment_id {metadata['segment_id']!r}; its name says another.")
    for name in (parts["source"], parts["edited"]):
        if not name.endswith(picture_format(members[name])):
            raise ValueError(f"Member {name} is a {picture_format(members[name])} file.")
    return Example(**metadata, source_file=members[parts["source"]], edited_file=members[parts["edited"]])


def metadata_of(example: Example) -> dict[str, Any]:
    """Return all fields but the pictures, as in the JSON member and the index."""
    return {name: getattr(example, name) for name in METADATA}


def decode_metadata(content: bytes, *, name: str) -> dict[str, Any]:
    """Parse and check a JSON member; ValueError, which names the member, when a field is missing or of another type."""
    try:
        metadata = parse_json(content)
    except ValueError as error:
        raise ValueError(f"Member {name} is no JSON: {error}.") from error
    if not isinstance(metadata, dict) or set(metadata) != set(METADATA):
        raise ValueError(f"Member {name} must hold exactly the fields {', '.join(METADATA)}.")
    for field_name, expected in _TYPES.items():
        if not isinstance(metadata[field_name], expected):
            raise ValueError(f"Member {name}: {field_name} is {metadata[field_name]!r}, which is of the wrong type.")
    return metadata
