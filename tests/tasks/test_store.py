"""A store that machines share: one uses what another has built. Half an upload or wrong bytes are never taken."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.wiring.job import make_job
from flows.wiring.making import plainly, plan, run_job
from flows.wiring.request import Request
from tasks.artifacts.addresses import shown_address
from tasks.artifacts.artifact import Artifact, artifacts_of, damaged_files, sha256_of
from tasks.artifacts.shared_store import storage_of
from tasks.artifacts.storage import Storage, StorageError, check_store_address
from tasks.config import RunOptions
from tasks.fetching.video_files import video_paths
from tests.support.commands import run
from tests.support.object_store import object_store
from tests.support.watchers import watched
from tests.tasks.test_artifacts import RETRY, Squares, build


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make a store with one artifact; return the store and the artifact's digest."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "store").mkdir()
    return folder / "store", made(folder / "a", folder / "store")[0].digest


def made(workspace: Path, store: Path | str, stage: Squares | None = None) -> tuple[Artifact, bool, list[str]]:
    """Build with a store; return the artifact, whether it was there already, and the messages."""
    address = store if isinstance(store, str) else f"file://{store}"
    with watched() as log:
        artifact, cached = build(stage or Squares(), workspace, options=RunOptions(store=address))
    return artifact, cached, log.messages


def manifest_in(store: Path) -> Path:
    [path] = store.glob("splits/*/manifest.json")
    return path


def test_a_second_workspace_finds_what_the_first_has_built(tmp_path: Path, store: Path) -> None:
    first, _, said = made(tmp_path / "a", store)
    assert said == [f"published to file://{store}"]
    stage = Squares()
    second, cached, said = made(tmp_path / "b", store, stage)
    assert (cached, stage.worked_on, said) == (True, [], [f"comes from file://{store}"])
    assert second.path == tmp_path / "b" / "splits" / first.path.name
    assert second.digest == first.digest
    assert damaged_files(second, full=True) == []
    times = {entry.name: (second.path / entry.name).stat().st_mtime_ns - entry.mtime_ns for entry in second.files()}
    assert set(times.values()) == {0}, "or every look at it would read it"
    assert list(second.records()) == list(first.records())
    assert sorted(path.name for path in second.path.iterdir()) == sorted(path.name for path in first.path.iterdir())
    assert {"published", "signature"}.isdisjoint(second.manifest)
    assert not list((tmp_path / "b" / "splits").glob("*.partial"))
    _, cached, said = made(tmp_path / "b", store)
    assert (cached, said) == (True, [])


def test_an_upload_that_was_cut_off_is_not_seen_and_the_next_goes_on_with_it(tmp_path: Path, store: Path) -> None:
    made(tmp_path / "a", store)
    manifest_in(store).unlink()
    [file] = store.glob("splits/*/*/files/2.txt")
    file.unlink()
    others = {path: path.stat().st_ino for path in store.rglob("*") if path.is_file()}
    stage = Squares()
    _, cached, said = made(tmp_path / "b", store, stage)
    assert (cached, len(stage.worked_on)) == (False, 3)
    assert said == [f"published to file://{store}"]
    kept = [path for path in others if path.exists() and path.stat().st_ino == others[path]]
    assert len(kept) >= 3, "what was sent is not sent again"


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def with_list(store: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the list of files, and change the manifest to name it, as the owner of the store could."""
    manifest = manifest_in(store)
    [old] = store.glob("splits/*/*/list.jsonl")
    entries = [json.loads(line) for line in old.read_text().splitlines()]
    change(entries)
    old.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    sha256 = sha256_of(old)
    os.rename(old.parent, old.parent.with_name(sha256[:16]))
    size = (old.parent.with_name(sha256[:16]) / "list.jsonl").stat().st_size
    edited(manifest, lambda content: content.update(published={"list": sha256, "bytes": size}))


def wrong_file(store: Path) -> None:
    [file] = store.glob("splits/*/*/files/2.txt")
    file.write_text("5")


def longer_file(store: Path) -> None:
    [file] = store.glob("splits/*/*/files/2.txt")
    file.write_text("4" * 100)


def missing_file(store: Path) -> None:
    [file] = store.glob("splits/*/*/files/2.txt")
    file.unlink()


def consistent_lie(store: Path) -> None:
    """A file and its entry in the list change together, but the digest in the manifest is of the other content."""
    [file] = store.glob("splits/*/*/files/2.txt")
    file.write_text("5")
    with_list(
        store,
        lambda entries: [
            entry.update(sha256=hashlib.sha256(b"5").hexdigest()) for entry in entries if entry["name"] == "2.txt"
        ],
    )


def more_files(store: Path) -> None:
    [file] = store.glob("splits/*/*/files/2.txt")
    shutil.copy(file, file.with_name("more.txt"))
    with_list(store, lambda entries: entries.append(entries[1] | {"name": "more.txt"}))


def fewer_files(store: Path) -> None:
    with_list(store, lambda entries: entries.remove(next(entry for entry in entries if entry["name"] == "2.txt")))


def named(name: Any) -> Callable[[Path], None]:
    return lambda store: with_list(store, lambda entries: entries[1].update(name=name))


def field(name: str, value: Any) -> Callable[[Path], None]:
    return lambda store: edited(manifest_in(store), lambda content: content.update({name: value}))


HOSTILE = {
    "file": wrong_file,
    "longer": longer_file,
    "missing": missing_file,
    "lie": consistent_lie,
    "more": more_files,
    "fewer": fewer_files,
    "upwards": named("../../../escaped.txt"),
    "absolute": named("/tmp/escaped.txt"),
    "manifest": named("manifest.json"),
    "number": named(7),
    "huge": lambda store: with_list(store, lambda entries: entries[1].update(size=2**61)),
    "text": lambda store: with_list(store, lambda entries: entries[1].update(size="1")),
    "late": lambda store: with_list(store, lambda entries: entries[1].update(mtime_ns=2**80)),
    "digest": field("digest", "0" * 64),
    "key": field("key", "0" * 64),
    "stage": field("stage", "frames"),
    "config": field("config", {"seed": 9}),
    "version": field("version", 99),
    "inputs": field("inputs", {"frames": {"outside": "x", "digest": "b"}}),
    "no list": field("published", None),
    "list": field("published", {"list": "0" * 64, "bytes": 10}),
    "counts": field("counts", {}),
    "no json": lambda store: manifest_in(store).write_bytes(b"{" * 2000),
    "no manifest": lambda store: manifest_in(store).write_bytes(b"[]"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_as_it_says_is_refused_and_built(
    tmp_path: Path, filled: tuple[Path, str], change: Callable[[Path], None]
) -> None:
    store = shutil.copytree(filled[0], tmp_path / "store")
    change(store)
    stage = Squares()
    second, cached, said = made(tmp_path / "b", store, stage)
    assert (cached, stage.worked_on, second.digest) == (False, ["1", "2", "3"], filled[1])
    assert any("It is built here." in line for line in said), said
    assert damaged_files(second, full=True) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "store"]
    assert not Path("/tmp/escaped.txt").exists()


def test_a_manifest_is_written_once(tmp_path: Path, store: Path) -> None:
    storage = Storage(f"file://{store}")
    assert [storage.create("a/manifest.json", b"first"), storage.create("a/manifest.json", b"second")] == [True, False]
    assert storage.read("a/manifest.json", at_most=100) == b"first"
    with pytest.raises(StorageError, match="larger than 2 bytes"):
        storage.read("a/manifest.json", at_most=2)
    assert [path.name for path in store.rglob("*")] == ["a", "manifest.json"]


def test_nothing_is_written_over_a_link_in_the_store(tmp_path: Path, store: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (store / "splits").symlink_to(tmp_path / "theirs")
    _, cached, said = made(tmp_path / "a", store)
    assert not cached
    assert any("is a link" in line for line in said)
    assert not list((tmp_path / "theirs").iterdir())


def test_failures_that_may_pass_are_not_published_and_others_are(tmp_path: Path, store: Path) -> None:
    made(tmp_path / "a", store, Squares(broken=("2",), transient=True))
    assert not list(store.rglob("manifest.json"))
    build(Squares(broken=("2",)), tmp_path / "a", options=RETRY)
    made(tmp_path / "a", store)
    stage = Squares()
    taken, cached, _ = made(tmp_path / "b", store, stage)
    assert (cached, stage.worked_on, taken.num_failed) == (True, [], 1)
    assert [row["reason"] for row in taken.rejected()] == ["broken"]
    build(stage, tmp_path / "b", options=RETRY)
    assert stage.worked_on == ["2"], "the items' done-records came along"


def test_what_is_damaged_here_comes_whole_from_the_store(tmp_path: Path, store: Path) -> None:
    taken, _, _ = made(tmp_path / "a", store)
    (taken.path / "2.txt").write_text("damaged")
    stage = Squares()
    mended, cached, _ = made(tmp_path / "a", store, stage)
    assert (cached, stage.worked_on, damaged_files(mended, full=True)) == (True, [], [])


def test_a_fetch_goes_on_where_it_was_cut_off_and_takes_nothing_else(tmp_path: Path, store: Path) -> None:
    first, _, _ = made(tmp_path / "a", store)
    half = tmp_path / "b" / "splits" / f"fetched-{first.path.name}.partial"
    half.mkdir(parents=True)
    (half / "building.json").write_text(json.dumps({"stage": "splits", "key": first.manifest["key"]}))
    shutil.copy(first.path / "1.txt", half / "1.txt")
    (half / "2.txt").write_text("half")
    (half / "rest.txt").write_text("of another")
    second, cached, _ = made(tmp_path / "b", store)
    assert cached
    assert damaged_files(second, full=True) == []
    assert not (second.path / "rest.txt").exists()


def test_with_a_secret_only_manifests_that_are_signed_with_it_are_taken(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITACTION_STORE_KEY", "one")
    made(tmp_path / "a", store)
    assert made(tmp_path / "b", store)[1] is True
    monkeypatch.setenv("EDITACTION_STORE_KEY", "other")
    _, cached, said = made(tmp_path / "c", store)
    assert not cached
    assert "not signed" in said[0]
    monkeypatch.setenv("EDITACTION_STORE_KEY", "one")
    edited(manifest_in(store), lambda content: content.update(funnel={"rows": 7}))
    assert made(tmp_path / "d", store)[1] is False


@pytest.mark.parametrize("address", ["store", "file://", "s3:///", "simplecache::s3://a/b", "/mnt/x", "nosuch://a/b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="--store"):
        Storage(address)


def test_a_store_that_is_not_there_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no .*nowhere"):
        Storage(f"file://{tmp_path}/nowhere").check()
    done = run("demo", "--store", f"file://{tmp_path}/nowhere", cwd=tmp_path, expect=1)
    assert "Make it, or mend the address" in done.stderr
    assert not (tmp_path / "workspace" / "kitchen").exists()


def test_of_an_address_only_scheme_host_and_path_are_shown() -> None:
    assert shown_address("ftp://alice:word@host:21/a/b?token=x#y") == "ftp://host:21/a/b"
    with pytest.raises(ValueError, match="--store s3://bucket") as told:
        check_store_address("s3://alice:word@bucket/a::b")
    assert "word" not in str(told.value)


@pytest.mark.slow
def test_on_s3_the_manifest_is_put_last_and_only_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with object_store("bucket") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        address = "s3://bucket/some/path"
        first, _, said = made(tmp_path / "a", address)
        assert said == [f"published to {address}"]
        key = first.manifest["key"]
        assert server.puts[-1] == (f"/bucket/some/path/splits/{key}/manifest.json", "*")
        assert sum(path.endswith("/manifest.json") for path, _ in server.puts) == 1
        assert len(server.puts) == 2 + 2 + 3 + 3 + 2  # bucket, list, manifest; rows, list of files; items; files
        stage = Squares()
        second, cached, _ = made(tmp_path / "b", address, stage)
        assert (cached, stage.worked_on, second.digest) == (True, [], first.digest)
        assert damaged_files(second, full=True) == []
        storage = storage_of(RunOptions(store=address))
        assert storage is not None
        assert storage.create(f"splits/{key}/manifest.json", b"{}") is False
        storage.check()
        with pytest.raises(StorageError, match="there is no nobucket"):
            Storage("s3://nobucket/a").check()
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(b"very-secret-word" in content for content in written)
        assert storage.sizes("nothing") == {}


@pytest.mark.slow
def test_a_second_machine_makes_data_from_the_store_alone(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    built: dict[str, list[str]] = {}
    for name in ("one", "two"):
        settings = {"kitchen.num_videos": 1, "splits.num_test": 5}
        store = f"file://{tmp_path}/store"
        job = make_job(
            Request(
                preset="demo", workspace=str(tmp_path / name), until="splits", settings=settings, store=store, workers=1
            )
        )
        before = [step.state for step in plan(job, options=job.request.options)]
        assert before[0] == {"one": "build", "two": "fetch"}[name]
        with watched() as log:
            run_job(job, plainly(job.workspace, job.request.options))
        assert {step.state for step in plan(job)} == {"Cached"}
        built[name] = log.built
    assert built["one"] == ["kitchen", "segments", "videos", "frames", "splits"]
    assert built["two"] == []
    [one], [two] = (artifacts_of(tmp_path / name, "splits") for name in ("one", "two"))
    assert (one.digest, one.path.name) == (two.digest, two.path.name)
    [videos] = artifacts_of(tmp_path / "two", "videos")
    assert all(path.is_file() for path in video_paths(videos).values()), "its own kitchen's"
