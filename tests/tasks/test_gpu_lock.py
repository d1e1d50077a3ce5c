"""One training a card: devices that are the same GPU share a lock, others do not, and the CPU has none."""

import threading
import time

import pytest

from tasks.artifacts.gpu import gpu_of, gpu_to_itself


@pytest.mark.parametrize(
    ("device", "visible", "gpu"),
    [("cpu", "", None), ("cuda", "", "0"), ("cuda:1", "", "1"), ("cuda", "3,5", "3"), ("cuda:1", "3,5", "5")],
)
def test_a_device_is_the_gpu_of_its_number(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str, gpu: str | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_of(device) == gpu


def test_the_second_training_on_a_card_waits_for_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("locks")))
    order: list[str] = []

    def second() -> None:
        with gpu_to_itself("cuda:0", lambda holder, seconds: order.append("waits")):
            order.append("second")

    with gpu_to_itself("cuda", lambda *_: None):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.8)
        order.append("first ends")
    other.join(timeout=20)
    assert order == ["waits", "first ends", "second"]
