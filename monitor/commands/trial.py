"""`grokwatch trial`: put the warning rule on trial, on fresh seeds and on controls."""

import os
from collections.abc import Callable
from pathlib import Path

from grokwatch.experiments import trial as trials
from grokwatch.experiments.counting import counting
from grokwatch.experiments.score import score
from grokwatch.experiments.score import table as score_table
from grokwatch.monitor.commands import Report, table
from grokwatch.monitor.commands.seeds import parse_seeds

DUMMIES = ("baseline:never", "baseline:always", "baseline:after_memorization")


def trial(
    root: Path,
    *,
    predictor: str,
    seeds: str | None,
    workers: int | None,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Train every condition on every seed, judge the runs, and hold the figures against the bars.

    Args:
        root: where the trial's journals are kept; complete ones are not trained again.
        predictor: target of the predictor on trial; the dummies are always judged beside it.
        seeds: such as "10-29" or "3,5"; the trial's own by default.
        workers: processes at a time; one per core by default.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        One row per predictor; `holds` where the predictor on trial meets every bar.

    Raises:
        ConfigurationError: the seeds cannot be read, or there is no such predictor.
    """
    chosen = list(trials.TRIAL_SEEDS) if seeds is None else parse_seeds(seeds)
    count = counting(show, progress=progress)
    trials.train_all(root, chosen, workers=workers or os.cpu_count() or 1, counting=count)
    predictors = (predictor, *(dummy for dummy in DUMMIES if dummy != predictor))
    judged = list(trials.judge_all(root, chosen, predictors))
    scores = [score(judged, name) for name in predictors]
    data = {"seeds": chosen, "scores": scores, "runs": judged}
    return Report(data=data, lines=table(*score_table(scores)), holds=scores[0].holds)
