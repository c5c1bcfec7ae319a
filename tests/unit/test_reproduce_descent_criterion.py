"""What the reproduction of double descent calls found, on runs and fits that are written down."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from grokwatch.experiments.reproduce import double_descent
from grokwatch.experiments.reproduce.descents import Descents, Sizes, by, courses, late_gains
from grokwatch.experiments.reproduce.peaks import Peak, find_peak
from grokwatch.experiments.reproduce.random_features import Fits
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    HyperParameter,
    Observation,
    RunStarted,
)
from grokwatch.monitor.story import Story, read_story

FOUND = (0.2, 0.8, 0.1)
FALLING = (0.8, 0.4, 0.1)


def story(width: int, samples: int, loss: float, *, late: float = 0.0) -> Story:
    """A run that memorises at step 100, and has one held-out loss."""
    settings: dict[str, HyperParameter] = {"model.hidden": width, "num_train": samples}
    records: list[AnyRecord] = [RunStarted(run_id="r", time=0.0, hyper_parameters=settings)]
    for step in (10, 100, 150, 200):
        accuracy = 0.5 + (late if step > 100 else 0.0)
        records += [
            Observation(
                run_id="r", step=step, time=0.0, train_loss=0.1, train_accuracy=float(step >= 100)
            ),
            Evaluation(run_id="r", step=step, time=0.0, test_loss=loss, test_accuracy=accuracy),
        ]
    return read_story(records)


def fits(losses: Sequence[float], parameters: Sequence[float], places: tuple[int, ...]) -> Fits:
    rows = [np.array([each, each]) for each in (losses, losses, parameters, parameters)]
    return Fits(places, *rows)


def descents(
    *,
    networks: Sequence[float] = FOUND,
    features: Sequence[float] = FOUND,
    parameters: Sequence[float] = (10, 5_000, 300),
    late: float = 0.0,
) -> Descents:
    widths = [story(w, 300, x, late=late) for w, x in zip((4, 40, 400), networks, strict=True)]
    samples = [story(20, n, x) for n, x in zip((15, 150, 1_500), FOUND, strict=True)]
    return Descents(
        networks=by("model.hidden", [*widths, *widths]),
        networks_on=by("num_train", [*samples, *samples]),
        features=fits(features, parameters, (30, 300, 3_000)),
        components=fits(FOUND, (10, 20, 30), (10, 20, 30)),
        features_on=fits(FOUND, (10, 20, 30), (15, 150, 1_500)),
        sizes=Sizes((30, 300, 3_000), (10, 20, 30), (15, 150, 1_500), 300, 150, 2),
    )


def peaks(found: Descents) -> dict[str, Peak]:
    kept = {name: find_peak(curve) for name, curve in found.curves().items()}
    return {**kept, "network, steps": find_peak(courses(found.networks[400]))}


def test_places_are_parameters_for_each_answer() -> None:
    found = {name: curve.places.tolist() for name, curve in descents().curves().items()}
    assert found["network, width"] == pytest.approx([310 / 3_000, 3_010 / 3_000, 30_010 / 3_000])
    assert found["network, samples"] == pytest.approx([150 / 1_510, 1_500 / 1_510, 15_000 / 1_510])
    assert found["features, width"] == found["features, samples"] == [0.1, 1.0, 10.0]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (descents(), True),
        (descents(networks=FALLING), False),
        (descents(features=FALLING), False),
        (descents(features=(0.1, 0.2, 0.19)), False),
        (descents(parameters=(10, 200, 300)), False),
        (descents(parameters=(10, 600, 300)), False),
    ],
    ids=["as published", "networks", "features", "too low", "no fold", "little fold"],
)
def test_the_criterion_asks_for_peaks_and_a_fold(found: Descents, *, expected: bool) -> None:
    assert double_descent.is_reproduced(found, peaks(found)) is expected


def test_late_gains_are_counted_from_memorizing_on() -> None:
    assert late_gains([story(4, 300, 0.1, late=0.2)]) == pytest.approx([0.2])
    assert late_gains([story(4, 300, 0.1, late=-0.1)]) == pytest.approx([-0.1])


def test_the_headline_of_the_curves_counts_late_gains() -> None:
    runs = [story(4, 300, 0.1, late=0.2), story(4, 300, 0.1), story(4, 300, 0.1)]
    assert double_descent.late_headline({4: runs}).startswith("1 of 3 networks that memorised gain")
    assert double_descent.late_headline({4: runs[1:]}).startswith("0 of 2 networks")
    assert double_descent.late_headline({4: []}).startswith("No network memorised")


@pytest.mark.parametrize(
    ("errors", "words"),
    [((0.2, 0.8, 0.1), "met: over width the networks give 20%, 80% and 10%"),
     ((0.4, 0.44, 0.24), "missed: over width the networks give 40%, 44% and 24%")],
)  # fmt: skip
def test_the_first_criterion_is_told(errors: Sequence[float], words: str) -> None:
    found = descents()
    given = {
        name: replace(peak, errors=np.array([errors, errors]))
        for name, peak in peaks(found).items()
    }
    text = double_descent.sentence(found, given)
    assert f"The first criterion, the same of the share of wrong answers, is {words}" in text


def test_the_sentence_gives_places_heights_and_the_fold() -> None:
    found = descents(late=0.2)
    text = double_descent.sentence(found, peaks(found))
    assert "peaks at 1.00 parameters for each example and class, 4 (4 to 4) times" in text
    assert "the second descent folds back: from 5,000 to 300" in text
    assert "Of 6 networks that memorised, 6 gain 5 points or more" in text
    unfolded = descents(parameters=(10, 200, 300))
    assert "does not fold back" in double_descent.sentence(unfolded, peaks(unfolded))
