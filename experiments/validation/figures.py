"""Three pictures: calibration, how early alarms came, and who ranks best at landmarks."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from grokwatch.experiments.drawing import draw
from grokwatch.experiments.palette import Palette
from grokwatch.experiments.validation.baselines import KERNEL, TIME, TREES
from grokwatch.experiments.validation.entries import EVERY_FAMILY
from grokwatch.experiments.validation.metrics import Bin
from grokwatch.experiments.validation.problems import LANDMARKS
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.results import Leads, Validation

_LEFT, _GAP, _LETTER = 0.075, 0.02, 0.0073
_CLOCK = "baseline:after_memorization"


def draw_all(found: Validation, folder: Path) -> dict[str, str]:
    """Draw all pictures, for light pages and for dark ones.

    Args:
        found: what a validation gave.
        folder: of the files; it is made.

    Returns:
        Name of the file for light pages -> what it shows.
    """
    headline = found.asked.contestants[0].name
    bins = next(
        (r.bins for r in found.calibration if r.name == headline and r.family == EVERY_FAMILY), ()
    )
    pictures = {
        "reliability": ("What was said, and what came true", partial(_reliability, bins=bins)),
        "leads": (
            "How early the alarm came, for every run that grokked",
            partial(_leads, own=found.leads[headline], clock=found.leads[_CLOCK]),
        ),
        "landmarks": (
            "Who tells runs that will grok from runs that will not",
            partial(_landmarks, rows=found.rankings, headline=headline),
        ),
    }
    shown = {}
    for name, (what, compose) in pictures.items():
        size = (6.2, 5.6) if name == "reliability" else (10.0, 4.6)
        light, *_ = draw(folder, name, partial(_framed, what=what, compose=compose), size=size)
        shown[light] = what
    return shown


def _framed(figure: Figure, palette: Palette, what: str, compose: "partial[None]") -> None:
    """A headline, and the picture below it."""
    figure.text(0.075, 0.93, what, fontsize=15, weight="bold")
    compose(figure, palette)


def _reliability(figure: Figure, palette: Palette, bins: Sequence[Bin]) -> None:
    """Bins of equal counts against the diagonal."""
    axes = figure.add_axes((0.12, 0.12, 0.82, 0.74))
    axes.plot([0, 1], [0, 1], color=palette.rule, linewidth=1.2)
    xs, ys = [each.mean_score for each in bins], [each.share for each in bins]
    axes.plot(xs, ys, color=palette.signal, linewidth=1.2, marker="o", markersize=7)
    size = max((each.count for each in bins), default=0)
    axes.set_xlabel(f"probability of grokking by T_max, at landmarks; up to {size} answers a point")
    axes.set_ylabel("share that did")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.04, 1.04)


def _leads(
    figure: Figure, palette: Palette, own: Mapping[str, Leads], clock: Mapping[str, Leads]
) -> None:
    """For each share of the way, how many runs were warned with more than so much left."""
    families = sorted(family for family, found in own.items() if found.onset)
    grid = figure.add_gridspec(
        1, max(len(families), 1), left=_LEFT, right=0.975, top=0.76, bottom=0.14
    )
    colors = {
        "alarm of rising: to .95": palette.test,
        "alarm of rising: to onset": palette.signal,
        "alarm of passing .95: to onset": palette.warning,
        "clock alone: to onset": palette.train,
    }
    _name_lines(figure, colors)
    for place, family in enumerate(families):
        axes, found = figure.add_subplot(grid[0, place]), own[family]
        curves = (found.end, found.apart, found.onset, clock[family].onset)
        for leads, color in zip(curves, colors.values(), strict=True):
            _survival(axes, leads, color)
        axes.set_title(f"{family}, {len(found.onset)} runs")
        axes.set_xlabel("lead, share of the way from T_mem")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        if place == 0:
            axes.set_ylabel("share of runs with more lead")


def _name_lines(figure: Figure, colors: Mapping[str, str]) -> None:
    """What each color is, in a row below the headline."""
    place = _LEFT
    for words, color in colors.items():
        figure.text(place, 0.865, words, color=color, fontsize=9, weight="bold")
        place += _GAP + _LETTER * len(words)


def _survival(axes: Axes, leads: Sequence[float], color: str) -> None:
    """Share of runs with more than a lead, against the lead."""
    xs = sorted({0.0, *leads, 1.0})
    ys = [sum(lead > x for lead in leads) / max(len(leads), 1) for x in xs]
    axes.step(xs, ys, where="post", color=color, clip_on=False)


def _landmarks(figure: Figure, palette: Palette, rows: Sequence[Ranking], headline: str) -> None:
    """Area at each landmark, with its interval, and baselines."""
    families = sorted({row.family for row in rows if row.auroc.value is not None})
    colors = {
        TREES: palette.train,
        KERNEL: palette.train,
        TIME: palette.test,
        headline: palette.signal,
    }
    _name_lines(
        figure,
        {
            "predictor": palette.signal,
            "hyper-parameters alone": palette.train,
            "time since memorization alone": palette.test,
        },
    )
    grid = figure.add_gridspec(
        1, max(len(families), 1), left=_LEFT, right=0.975, top=0.76, bottom=0.14
    )
    for place, family in enumerate(families):
        axes = figure.add_subplot(grid[0, place])
        axes.axhline(0.5, color=palette.rule, linewidth=1.0)
        for name, color in colors.items():
            own = [row for row in rows if (row.family, row.name) == (family, name)]
            _areas(axes, own, color, is_headline=name == headline)
        axes.set_title(family)
        axes.set_xscale("log")
        axes.set_xticks(LANDMARKS, [str(landmark) for landmark in LANDMARKS])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("judged at, in times T_mem")
        if place == 0:
            axes.set_ylabel("AUROC")


def _areas(axes: Axes, rows: Sequence[Ranking], color: str, *, is_headline: bool) -> None:
    known = [row for row in rows if row.auroc.value is not None]
    xs = [float(row.at) for row in known]
    ys = [row.auroc.value or 0.0 for row in known]
    axes.plot(xs, ys, color=color, marker="o", markersize=5 if is_headline else 3)
    if is_headline:
        for row in known:
            if row.auroc.low is not None and row.auroc.high is not None:
                axes.vlines(row.at, row.auroc.low, row.auroc.high, color=color, linewidth=1.2)
