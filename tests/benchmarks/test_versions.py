"""The versions of Prefect that are tested: the lowest and the highest release that the project's own bounds allow."""

from benchmarks.versions import ends, numbers, requirement
from tests.support.commands import ROOT


def test_the_ends_of_the_range_are_releases_inside_it() -> None:
    known = ["3.9.0", "3.8.10", "3.8.9", "3.7.1", "3.7.0", "3.6.9", "3.8.11rc1", "3.7.0.dev1"]
    assert ends(known, "prefect>=3.7,<3.9") == ("3.7.0", "3.8.10")


def test_the_version_that_the_tests_run_with_is_inside_it() -> None:
    [pinned] = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("prefect==")]
    version = pinned.removeprefix("prefect==")
    assert ends([version], requirement("prefect")) == (version, version)
    assert numbers("3.10.0") > numbers("3.9.9")
