"""Trains the runs that are shown, where nobody brings their journals."""

import os
import subprocess
import sys
from pathlib import Path

STEPS = "6000"
SIGNALS = (
    "cheap",
    *("loss_activity", "loss_mobility", "loss_complexity", "oscillation_energy", "loss_spikes"),
    *("stable_rank", "spectral_entropy_rank", "power_law_exponent"),
    *("gini_coefficient", "top_share", "coordinate_gini_coefficient", "coordinate_top_share"),
    *("margin", "logit_scale", "softmax_collapse", "zero_loss"),
)
"""Something for every panel, and nothing that takes a demo of seconds to half an hour."""

SHOWN = "addition-seed-2"
"""The run that the page of one run shows."""

TASK = "cyclic:67"
"""What additions modulo 67 are called."""

DEMOS = {
    SHOWN: ("--task", "addition", "--seed", "2"),
    "addition-seed-3": ("--task", "addition", "--seed", "3"),
    "addition-random-labels-seed-2": ("--task", "addition", "--seed", "2", "--random-labels"),
    "parity-seed-0": ("--task", "parity", "--seed", "0"),
    "parity-random-labels-seed-1": ("--task", "parity", "--seed", "1", "--random-labels"),
}


def train(folder: Path) -> None:
    """Run the demos, each in a folder of its own; minutes.

    Args:
        folder: where they keep their journals.
    """
    for name, options in DEMOS.items():
        chosen = ["--steps", STEPS, "--signals", ",".join(SIGNALS)]
        job = ["demo", *options, *chosen, "--directory", str(folder / name)]
        subprocess.run(
            [sys.executable, "-m", "grokwatch.monitor.cli", *job],
            env={**os.environ, "GROKWATCH_MONITOR_SINKS": ""},
            check=True,
        )
