"""What judging costs: one observation, a thousand runs at once, and a run that never ends."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from grokwatch import experiments
from grokwatch.experiments.bench.rows import Row, median_interval, spread
from grokwatch.experiments.corpus import read_slice
from grokwatch.experiments.counting import Counting
from grokwatch.monitor.predictors import HORIZONS, load
from grokwatch.monitor.predictors._model import Hazard, read_model
from grokwatch.monitor.predictors._readings import NAMES
from grokwatch.monitor.predictors.hazard import MODELS
from grokwatch.monitor.protocols import Predictor
from grokwatch.monitor.records import Observation, RunStarted

TARGETS = ("hazard:", "threshold:", "baseline:after_memorization")
WORKLOAD = "a run of the corpus, every signal of it measured"

_FOLDER = Path(experiments.__path__[0]) / "data" / "corpus"
_SLICE = "add-23"
_ROUNDS = 40
_BLOCK = 100
_RUNS = 1000
_EARLY, _LATE, _PART = 1_000, 1_000_000, 1_000
_MOST, _MOST_BATCHED, _MOST_BYTES, _MOST_GROWTH = 20.0, 0.2, 2048.0, 1.1
_WORDS = {"microseconds": "us", "bytes": "bytes", "ratio": "times"}


def predictors(counting: Counting, *, rounds: int | None = None, late: int = _LATE) -> list[Row]:
    """Measure all of it; predictors are interleaved, and so are early and late observations.

    Args:
        counting: shows progress.
        rounds: blocks of each, None for the usual number.
        late: how many observations a run has had that never ends.

    Returns:
        Microseconds an observation and bytes of state by predictor, the network on a thousand runs
        at once, and late over early.
    """
    rounds = rounds or _ROUNDS
    run, seen = _run()
    made = {target: _after(target, run, seen, len(seen)) for target in TARGETS}
    young, old = _after("hazard:", run, seen, _EARLY), _after("hazard:", run, seen, 0)
    with counting("a long run", late // _PART) as done:
        for start in range(0, late, _PART):
            for observation in _endless(seen, start, _PART):
                old.update(observation)
            done(f"observation {start + _PART:,}")
    places = {id(each): len(seen) for each in made.values()} | {id(old): late, id(young): _EARLY}
    times: dict[str, list[float]] = {target: [] for target in TARGETS}
    growth, batched = [], []
    judge = _batch()
    with counting("predictors", rounds) as done:
        for number in range(rounds):
            for target, predictor in made.items():
                times[target].append(_block(predictor, seen, places))
            first = _block(young, seen, places)
            growth.append(_block(old, seen, places) / first)
            batched.append(_microseconds(judge) / _RUNS)
            done(f"round {number + 1}")
    return [
        *(
            _row(f"{target} one observation", spread(times[target]), "microseconds", _MOST)
            for target in TARGETS
        ),
        *(
            _row(f"{target} state of a run", _size(predictor), "bytes", _MOST_BYTES)
            for target, predictor in made.items()
        ),
        _row(
            "hazard: network alone, a thousand runs at once, each",
            spread(batched),
            "microseconds",
            _MOST_BATCHED,
        ),
        _row(
            f"observation {late:,} over observation {_EARLY:,}",
            median_interval(growth),
            "ratio",
            _MOST_GROWTH,
        ),
    ]


def _run() -> tuple[RunStarted, list[Observation]]:
    """A run of the corpus that memorized, from where it had."""
    run = next(each for each in read_slice(_FOLDER, _SLICE).runs() if each.row.generalized)
    return run.start, list(run.observations)


def _after(target: str, run: RunStarted, seen: list[Observation], count: int) -> Predictor:
    """A predictor that has judged so many observations."""
    predictor = load(target, run)
    for observation in _endless(seen, 0, count):
        predictor.update(observation)
    return predictor


def _endless(seen: list[Observation], start: int, count: int) -> Iterator[Observation]:
    """Observations of a run, and after its last one the same values at later and later steps."""
    for place in range(start, start + count):
        if place < len(seen):
            yield seen[place]
        else:
            again = seen[len(seen) // 2 + place % (len(seen) // 2)]
            yield msgspec.structs.replace(again, step=seen[-1].step + place)


def _block(predictor: Predictor, seen: list[Observation], places: dict[int, int]) -> float:
    """Microseconds an observation, over the next ones."""
    start = places[id(predictor)]
    places[id(predictor)] = start + _BLOCK
    coming = list(_endless(seen, start, _BLOCK))

    def judge() -> None:
        for observation in coming:
            predictor.update(observation)

    return _microseconds(judge) / _BLOCK


def _batch() -> Callable[[], object]:
    """Chances of many runs from their features."""
    hazard = Hazard(read_model(MODELS / "hazard.json"))
    features = np.random.default_rng(0).normal(size=(_RUNS, len(NAMES)))
    horizons = np.array(HORIZONS, dtype=np.float64)

    def judge() -> object:
        inputs = hazard.inputs(hazard.chosen(features))
        return hazard.chances(hazard.logits(inputs), horizons)

    return judge


def _size(predictor: Predictor) -> tuple[float, float, float]:
    return spread([float(len(predictor.state()))])


def _microseconds(action: Callable[[], object]) -> float:
    """Processor time of one call."""
    before = time.process_time()
    action()
    return (time.process_time() - before) * 1e6


def _row(what: str, found: tuple[float, float, float], unit: str, most: float) -> Row:
    value, low, high = found
    return Row(
        workload=WORKLOAD,
        what=what,
        value=value,
        low=low,
        high=high,
        unit=unit,
        target=f"at most {most:g} {_WORDS[unit]}",
        is_met=value <= most,
    )
