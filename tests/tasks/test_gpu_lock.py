"""One training a card: names of the same GPU share a lock, different GPUs do not, and the CPU has no lock."""

import os
import threading
import time
from pathlib import Path

import pytest

from tasks.artifacts.gpu import gpus_of, gpus_to_itself
from tasks.artifacts.locks import holder_of


@pytest.fixture(autouse=True)
def _no_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pretend to be a machine on which no program tells UUIDs."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(
    ("device", "visible", "processes", "gpus"),
    [
        ("cpu", "", 1, []),
        ("cuda", "", 1, ["0"]),
        ("cuda:1", "", 1, ["1"]),
        ("cuda", "3,5", 1, ["3"]),
        ("cuda:1", "3,5", 1, ["5"]),
        ("cuda", "", 3, ["0", "1", "2"]),
        ("cuda", "5,3", 2, ["3", "5"]),
    ],
)
def test_a_device_is_the_gpu_of_its_number_and_several_processes_take_one_each(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str, processes: int, gpus: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_of(device, processes) == gpus


@pytest.mark.parametrize("visible", ["", "1,0", "GPU-bbbb-2", "GPU-bbbb"])
def test_a_card_is_the_same_by_number_and_by_uuid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-aaaa-1'\necho '1, GPU-bbbb-2'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_of("cuda" if visible else "cuda:1") == ["GPU-bbbb-2"]
    assert gpus_of("cuda", 2)[0] == ("GPU-bbbb-2" if visible.startswith("GPU") else "GPU-aaaa-1")


def test_a_training_on_two_cards_keeps_both_from_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with gpus_to_itself("cuda", lambda *_: None, processes=2):
        held = [holder_of(path) for path in sorted(tmp_path.glob("*-gpu-*.lock"))]
        assert [holder.pid for holder in held if holder] == [os.getpid()] * 2
    assert [holder_of(path) for path in tmp_path.glob("*-gpu-*.lock")] == [None, None]


def test_the_second_training_on_a_card_waits_for_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("locks")))
    order: list[str] = []

    def second() -> None:
        with gpus_to_itself("cuda:0", lambda holder, seconds: order.append("waits")):
            order.append("second")

    with gpus_to_itself("cuda", lambda *_: None):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.8)
        order.append("first ends")
    other.join(timeout=20)
    assert order == ["waits", "first ends", "second"]
