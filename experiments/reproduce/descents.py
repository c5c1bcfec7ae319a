"""What double descent is looked for in: networks and least squares, over four axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grokwatch.experiments.reproduce.peaks import Curve, ascents
from grokwatch.experiments.reproduce.random_features import Fits
from grokwatch.monitor.records import Evaluation
from grokwatch.monitor.story import Story

Stories = Mapping[int, Sequence[Story]]

NUM_CLASSES = 10
NUM_INPUTS = 64


@dataclass(frozen=True)
class Sizes:
    """What is fitted by least squares: numbers of features, and of examples."""

    features: tuple[int, ...]
    components: tuple[int, ...]
    samples: tuple[int, ...]
    num_train: int
    num_features: int
    num_seeds: int


@dataclass(frozen=True)
class Descents:
    """All that was trained and fitted.

    Attributes:
        networks: runs by width.
        networks_on: runs of one width by number of examples.
        features: fits over features.
        components: fits over components of the most features.
        features_on: fits of as many features over examples.
        sizes: of the fits.
    """

    networks: Stories
    networks_on: Stories
    features: Fits
    components: Fits
    features_on: Fits
    sizes: Sizes

    def curves(self) -> dict[str, Curve]:
        """Held-out loss of both models against how near they are to their threshold.

        Places are parameters over answers to fit, or answers to fit over parameters.
        """
        sizes = self.sizes
        num_answers = NUM_CLASSES * _setting(self.networks, "num_train")
        per_sample = NUM_CLASSES / num_parameters(_setting(self.networks_on, "model.hidden"))
        return {
            "network, width": _last(
                {num_parameters(w) / num_answers: s for w, s in self.networks.items()}
            ),
            "network, samples": _last(
                {count * per_sample: s for count, s in self.networks_on.items()}
            ),
            "features, width": _curve(self.features, 1 / sizes.num_train),
            "features, samples": _curve(self.features_on, 1 / sizes.num_features),
        }


def folds(descents: Descents) -> bool:
    """Whether more features than examples mean fewer effective parameters and a smaller loss."""
    parameters, losses = past_threshold(descents)
    fewer = ascents(parameters) == 0 and 10 * parameters[-1] < parameters[0]
    return fewer and ascents(losses) == 0


def past_threshold(descents: Descents) -> tuple[list[float], list[float]]:
    """Effective parameters and losses where there are as many features as examples, or more."""
    counts = np.array(descents.features.places)
    return middle_of(descents.features, counts >= descents.sizes.num_train)


def middle_of(fits: Fits, kept: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Geometric means over seeds of effective parameters and losses, at the places to keep."""
    parameters, losses = (
        np.exp(np.log(values[:, kept]).mean(axis=0)) for values in (fits.parameters, fits.losses)
    )
    return parameters.tolist(), losses.tolist()


def num_parameters(width: int) -> int:
    """Weights and biases of a network with one hidden layer of that width."""
    return width * (NUM_INPUTS + 1) + NUM_CLASSES * (width + 1)


def courses(stories: Sequence[Story]) -> Curve:
    """Held-out loss and error by step."""
    steps = [e.step for e in stories[0].evaluations]
    points = [[_scores(e) for e in story.evaluations] for story in stories]
    return Curve(np.array(steps, dtype=np.float64), *np.moveaxis(np.array(points), 2, 0))


def late_gains(stories: Sequence[Story]) -> list[float]:
    """Test accuracy at the end minus that on memorising, of the runs that memorised."""
    gains = []
    for story in stories:
        start = story.outcome.train_step
        scores = {e.step: e.test_accuracy or 0.0 for e in story.evaluations}
        if start is not None:
            gains.append(scores[max(scores)] - scores[start])
    return gains


def by(key: str, stories: Sequence[Story]) -> dict[int, list[Story]]:
    """Runs by one of their settings, ascending."""
    found: dict[int, list[Story]] = {}
    for story in stories:
        found.setdefault(_read(story, key), []).append(story)
    return dict(sorted(found.items()))


def _setting(stories: Stories, key: str) -> int:
    """A setting that all runs share."""
    return _read(next(iter(stories.values()))[0], key)


def _read(story: Story, key: str) -> int:
    """A setting of a run."""
    assert story.started is not None
    return int(story.started.hyper_parameters[key])  # type: ignore[arg-type]


def _scores(evaluation: Evaluation) -> tuple[float, float]:
    """Loss, and share of wrong answers."""
    loss, accuracy = evaluation.test_loss, evaluation.test_accuracy
    assert loss is not None
    assert accuracy is not None
    return loss, 1 - accuracy


def _last(groups: Mapping[float, Sequence[Story]]) -> Curve:
    """Held-out loss and error at the end of each run."""
    points = [[_scores(story.evaluations[-1]) for story in group] for group in groups.values()]
    return Curve(np.array([*groups]), *np.moveaxis(np.array(points), (0, 1, 2), (2, 1, 0)))


def _curve(fits: Fits, scale: float) -> Curve:
    """Held-out loss and error of fits, with places in other units."""
    return Curve(np.array(fits.places) * scale, fits.losses, fits.errors)
