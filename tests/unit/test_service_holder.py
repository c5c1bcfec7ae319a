"""Whose lease it was, and whether that process is dead."""

import os
import subprocess
import sys

import pytest

from grokwatch.monitor.service.holder import is_dead, new_holder


def holder_of(process_id: int) -> str:
    machine = new_holder().rpartition("-")[0].rpartition("-")[0]
    return f"{machine}-{process_id}-{'0' * 12}"


def test_each_holder_has_a_name_of_its_own_that_fits_its_column() -> None:
    names = {new_holder() for _ in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) <= 64


def test_a_process_that_ended_is_dead_and_one_that_runs_is_not() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_dead(holder_of(ended.pid), new_holder())
    assert not is_dead(holder_of(os.getppid()), new_holder())


def test_whoever_had_our_process_id_before_us_is_dead_and_we_are_not() -> None:
    own = new_holder()
    assert is_dead(holder_of(os.getpid()), own)
    assert not is_dead(own, own)


@pytest.mark.parametrize(
    "name", ["", "-1-a", "other.1-999999999-a", "x-y-z", "1.2-99999999999999999999-a"]
)
def test_of_others_nobody_can_tell(name: str) -> None:
    assert not is_dead(name, new_holder())
