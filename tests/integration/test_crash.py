"""Nothing acknowledged is lost, and no key appears twice, however often training is killed."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

NUM_KILLS = int(os.environ.get("GROKWATCH_CRASH_KILLS", "100"))
SEED = int(os.environ.get("GROKWATCH_CRASH_SEED", random.SystemRandom().randrange(2**32)))
WRONG = (
    "lost",
    "duplicates",
    "misplaced",
    "unfinished",
    "problems",
    "missed_by_sink",
    "invented_by_sink",
)


@pytest.mark.slow
@pytest.mark.timeout(120 + 5 * NUM_KILLS)
def test_crash_loses_nothing_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    program = Path(__file__).with_name("crash_trials.py")
    done = subprocess.run(
        [sys.executable, str(program), "--kills", str(NUM_KILLS), "--seed", str(SEED)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"GROKWATCH_CRASH_SEED={SEED}\n{done.stderr}"
    counts = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(
            "\ncrash: {kills} kills of a fit at random instants and {kills_amid_a_write} amid a "
            "write, {acknowledged} acknowledged, {lost} lost, {duplicates} duplicates, "
            "{torn_tails} torn tails, {fed_again} fed again; at 95 % fewer than "
            "{loss_bound_per_kill:.2%} of kills lose anything; seed {seed}\n".format(**counts)
        )
    assert counts["kills"] >= NUM_KILLS
    assert counts["kills_at_work"] >= counts["kills"] / 2, counts
    assert counts["resumed"] >= counts["runs"] / 2, counts  # from a checkpoint, not from nothing
    assert counts["observations"] > 3 * NUM_KILLS, counts
    assert {name: counts[name] for name in WRONG} == dict.fromkeys(WRONG, 0), counts
