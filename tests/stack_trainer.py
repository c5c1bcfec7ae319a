"""Trains the demo's run at the pace of a larger network, with everything measured.

The demo passes from the warning to 95 % in seconds, faster than Prometheus looks; a network worth
watching takes longer for a step. Takes the folder of journals, then the sinks' targets.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.recipes import build, find_recipe, fit

RUN = "addition-seed-2"
SEED = 2
STEPS = 5_000
BUDGET = 1.0
STEP_SECONDS = 0.03
_FAST_STEPS = 400


class Pace(pl.Callback):
    """Makes a step as long as one of a larger network, once the run has memorised."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step > _FAST_STEPS:
            time.sleep(STEP_SECONDS)


def main() -> None:
    directory, *sinks = sys.argv[1:]
    recipe = replace(find_recipe("addition"), steps=STEPS)
    parts = build(recipe, SEED)
    monitor = GrokkingMonitor(
        parts.probe,
        sinks=sinks,
        directory=Path(directory),
        budget=BUDGET,
        signals="full",
        name=RUN,
        report=True,
    )
    fit(parts, STEPS, [monitor, Pace()])


if __name__ == "__main__":
    main()
