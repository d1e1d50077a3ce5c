"""The meaning of an answer's status: accepted, worth another attempt, or a reason; and the wait that a server asks
for.
"""

import threading
import time

import httpx
import pytest

from tasks.config import Patience
from tasks.fetching.http import Unsteady, check_status, persistently
from tasks.fetching.remote_video import FetchError


@pytest.fixture
def stop():
    """Give an event that is set after 20 seconds, so that a wait without a bound fails instead of hanging."""
    event = threading.Event()
    timer = threading.Timer(20, event.set)
    timer.start()
    yield event
    timer.cancel()


def answer(status, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=headers, request=httpx.Request("GET", "http://localhost/a.mp4"))


@pytest.mark.parametrize(("said", "wait_s"), [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-3", None)])
def test_the_seconds_of_retry_after_are_what_the_next_attempt_waits(said, wait_s):
    with pytest.raises(Unsteady) as raised:
        check_status(answer(503, Retry_After=said), (200,))
    assert raised.value.wait_s == wait_s


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (410, "not_found"), (403, "refused")])
def test_an_answer_that_stays_the_same_is_a_reason_at_once(status, reason):
    with pytest.raises(FetchError) as raised:
        check_status(answer(status, Retry_After="7"), (200,))
    assert raised.value.reason == reason


def test_a_server_is_asked_again_after_the_time_that_it_names_and_no_sooner(stop):
    asked_at = []

    def attempt():
        asked_at.append(time.monotonic())
        if len(asked_at) == 1:
            raise Unsteady("busy", 0.3)
        return "there"

    # Without the header the wait would be drawn from 0 to 2000 s; with it, it is 0.3 s.
    assert persistently(attempt, Patience(retries=2, first_wait_s=1000.0, longest_wait_s=1000.0), stop=stop) == "there"
    assert 0.3 <= asked_at[1] - asked_at[0] < 30


def test_the_wait_that_a_server_names_has_a_bound(stop):
    attempts = []

    def attempt():
        attempts.append(1)
        raise Unsteady("busy", 999_999.0)

    with pytest.raises(FetchError, match="busy"):
        persistently(attempt, Patience(retries=1, first_wait_s=0.0, longest_wait_s=0.05), stop=stop)
    assert len(attempts) == 2
