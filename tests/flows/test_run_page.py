"""A run's page while a stage works: it gets one line a minute, and no more."""

import logging
from types import SimpleNamespace

import pytest

from flows.wiring import shown
from modeling.runs.watcher import note_of


def test_a_training_has_a_line_a_minute_with_step_loss_speed_and_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(shown, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(shown, "PROGRESS_EVERY_S", float("inf"))  # progress bars would need a server
    page = shown.RunPage(None)
    told = {"phase": "train", "loss": 0.12345, "samples_per_s": 8.5, "eta_s": 605, "skipped": 0}
    with caplog.at_level(logging.INFO, logger="editaction"):
        page.started("editor", "demo")
        for second in range(200):
            now = float(second)
            page.progressed("editor", "demo", 2 * second, 3_200, note_of(told))
    note = "loss 0.1235, 8.5 samples/s, 10 min left"
    assert caplog.messages == [
        "editor demo: started",
        *(f"editor demo: {step} of 3200, {note}" for step in (120, 240, 360)),
    ]
