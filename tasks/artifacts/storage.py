"""An address (`s3://bucket/path`, `file:///folder`, anything that fsspec knows) -> bytes by name, with bounds.

Answers of a store are untrusted: at most a given size is read, and the caller compares the content. Of the address only
scheme, host and path are shown; user, password and query are used and never written.
"""

import hashlib
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modeling.atomic import atomic_file, create_once
from tasks.artifacts.addresses import shown_address
from tasks.artifacts.failures import ends_the_run
from tasks.artifacts.file_list import FileEntry, sha256_of
from tasks.artifacts.inside import checked_parts, inside

CHUNK_BYTES = 8 << 20
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss"})
"""Protocols whose first name is a bucket, and which have no folders."""
STORE_VARIABLE = "EDITACTION_STORE"
"""Environment variable that holds a store's whole address."""
LOCAL = frozenset({"file", "local"})


class StorageError(Exception):
    """A store did not answer, or its answer is refused. The message shows the address without secrets."""


def check_store_address(address: str) -> None:
    """ValueError when an address is none of a store."""
    scheme, separator, rest = address.partition("://")
    if not separator or not rest.strip("/") or "::" in address or not scheme.isalnum():
        raise ValueError(
            f"--store {shown_address(address)}: that is no address of a store, such as s3://bucket/path or "
            "file:///mnt/share/store."
        )


class Storage:
    """Objects below one address."""

    def __init__(self, address: str):
        """Open the address; ValueError for one that is none, or whose package is not installed."""
        import fsspec

        check_store_address(address)
        self.shown = shown_address(address)
        try:
            # No listing is kept: what another machine writes is seen at once.
            opened = fsspec.core.url_to_fs(address, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise ValueError(
                f'--store {self.shown}: {error}. `pip install -e ".[store]"` brings what s3:// needs.'
            ) from error
        except (ValueError, TypeError, AttributeError, OSError) as error:
            raise ValueError(f"--store {self.shown}: fsspec cannot open such an address.") from error
        self._files: Any = opened[0]
        self._root: str = opened[1]
        protocols = self._files.protocol
        self.protocols = frozenset({protocols} if isinstance(protocols, str) else protocols)
        self.is_local = bool(self.protocols & LOCAL)

    def check(self) -> None:
        """Raise StorageError unless the bucket, or the folder on a disk, exists and answers."""
        is_bucket = bool(self.protocols & OBJECT_STORES)
        place = self._root.split("/")[0] if is_bucket else self._root
        with self._asking("it cannot be asked"):
            is_there = bool(self._files.exists(place))
        if not is_there and (is_bucket or self.is_local):
            raise StorageError(f"--store {self.shown}: there is no {place}. Make it, or mend the address.")

    def read(self, name: str, *, at_most: int) -> bytes | None:
        """Return the bytes of an object, None where there is none; StorageError where they are more than `at_most`."""
        with self._asking(f"{name} cannot be read"):
            try:
                with self._files.open(self._path(name), "rb") as file:
                    content: bytes = file.read(at_most + 1)
            except FileNotFoundError:
                return None
        if len(content) > at_most:
            raise StorageError(f"{self.shown}/{name} is larger than {at_most} bytes, and is refused.")
        return content

    def download(self, name: str, folder: Path, entry: FileEntry) -> None:
        """Write an object as the file `entry` of a folder; StorageError unless size and SHA-256 are those listed.

        An existing file that is as listed is kept. Its time becomes the listed one.
        """
        path = inside(folder, entry.name)
        if not (path.is_file() and path.stat().st_size == entry.size and sha256_of(path) == entry.sha256):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as temporary:
                self._copy(name, temporary, entry)
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))

    def _copy(self, name: str, target: Path, entry: FileEntry) -> None:
        digest, left = hashlib.sha256(), entry.size
        with (
            target.open("xb") as file,
            self._asking(f"{name} cannot be read"),
            self._files.open(self._path(name), "rb") as source,
        ):
            while chunk := source.read(min(CHUNK_BYTES, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                file.write(chunk)
        if left != 0 or digest.hexdigest() != entry.sha256:
            raise StorageError(f"{self.shown}/{name} is not what its list says (size or SHA-256), and is refused.")

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects below a folder, by their names below it."""
        place = self._path(folder)
        with self._asking(f"{folder} cannot be listed"):
            try:
                objects = self._files.find(place, detail=True)
            except FileNotFoundError:
                return {}
        return {
            posixpath.relpath(path, place): int(told["size"])
            for path, told in objects.items()
            if told.get("type", "file") == "file" and told.get("size") is not None
        }

    def upload(self, source: Path, name: str) -> None:
        """Write a file as an object, whole or not at all where the store can do that."""
        path = self._path(name)
        with self._asking(f"{name} cannot be written"):
            if self.is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(Path(path)) as temporary:
                    shutil.copyfile(source, temporary)
            else:
                self._files.put_file(str(source), path)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless one of this name exists; return whether it was written.

        On S3 by a conditional put (If-None-Match: *); on a disk by a link, which is there whole or not at all. Others
        are asked for their own exclusive way; where they have none, of two writers at one moment the later wins.
        """
        path = self._path(name)
        with self._asking(f"{name} cannot be written"):
            if self.is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                return create_once(Path(path), content)
            try:
                self._files.pipe_file(path, content, mode="create")
            except OSError:
                # FileExistsError, or what a server says in its own words about a condition that does not hold.
                if self._files.exists(path):
                    return False
                raise
        return True

    def _path(self, name: str) -> str:
        """Return the path of a name below the root; on a disk over no link."""
        try:
            if self.is_local:
                return str(inside(Path(self._root), name))
            return "/".join([self._root.rstrip("/"), *checked_parts(name)])
        except ValueError as error:
            raise StorageError(f"{self.shown}: {error}") from error

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn whatever a library of a store raises into a StorageError; each has classes of its own."""
        try:
            yield
        except Exception as error:
            if ends_the_run(error):
                raise
            first = str(error).strip().splitlines()[:1]
            # The library's message may quote the address with its secrets, so only the class of the error is shown.
            told = f": {first[0][:200]}" if first and "@" not in first[0] and "?" not in first[0] else ""
            raise StorageError(f"--store {self.shown}: {what} ({type(error).__name__}{told}).") from error
