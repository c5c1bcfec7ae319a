"""The demo: train a small network under the monitor, say what happened and when it was warned of.

What it says at the end is read off the run's journal, so it can be told again without training.
"""

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.settings import DEFAULT_SINKS
from grokwatch.experiments.live import (
    Announcer,
    Reading,
    Report,
    progress_bar,
    progress_lines,
)
from grokwatch.experiments.modules import Progress, hushed
from grokwatch.experiments.pictures import draw_run
from grokwatch.experiments.recipes import Recipe, build, find_recipe, fit
from grokwatch.monitor import journal, presets
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.predictors import DEFAULT_PREDICTOR
from grokwatch.monitor.probe import Group
from grokwatch.monitor.quota import QUOTA_BYTES
from grokwatch.monitor.records import Outcome
from grokwatch.monitor.snapshot import Need, Signal
from grokwatch.monitor.story import Story, read_story, tell

Show = Callable[[str], None]

_GIVEN: Mapping[str, frozenset[Need]] = {
    "cyclic": frozenset({Need.TOKENS}),
    "bits": frozenset({Need.INPUTS, Need.FRESH}),
}
_PARTICULAR = frozenset({Need.TOKENS, Need.PERMUTATIONS, Need.INPUTS, Need.FRESH, Need.ATTENTION})
"""What depends on the task or the architecture; the recipes train MLPs."""


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo run showed, as plain data.

    Leads are steps from the warning to the event: negative where the warning came late, None where
    either was not seen.
    """

    run_id: str
    name: str
    steps: int
    warned_step: int | None
    probability: float | None
    lead_to_onset_steps: int | None
    lead_to_grokking_steps: int | None
    outcome: Outcome
    journal: str
    pictures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Watching:
    """How a run is watched; the fields are arguments of `GrokkingMonitor`.

    Without a budget the same steps are watched on every machine, so that a seed gives the same demo
    everywhere; a step here takes half a millisecond, of which 1 % would buy hardly a look. The rule
    and the pictures read cheap signals only; dearer ones, at every look, make the demo take longer.
    """

    directory: str | Path = ".grokwatch"
    quota_bytes: int = QUOTA_BYTES
    sinks: Sequence[str] = DEFAULT_SINKS
    hooks: Sequence[str] = ()
    predictor: str = DEFAULT_PREDICTOR
    report: bool = False
    budget: float | None = None
    signals: str = "cheap"


def demo(
    *,
    task: str = "addition",
    random_labels: bool = False,
    seed: int | None = None,
    steps: int | None = None,
    watching: Watching = Watching(),
    show: Show,
    progress: bool = True,
) -> Demo:
    """Train, watch, tell, draw.

    Args:
        task: name of a recipe, `addition` or `parity`.
        random_labels: shuffle the answers, so that there is nothing to warn of.
        seed: of data and weights; the recipe's own by default.
        steps: optimizer updates; the recipe's own by default.
        watching: where records go and who judges.
        show: takes one line at a time, now and then from another thread.
        progress: draw a progress bar on stderr, instead of showing a line now and then.

    Returns:
        What it showed.
    """
    recipe = find_recipe(task)
    recipe = recipe.with_random_labels() if random_labels else recipe
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    seed = recipe.seed if seed is None else seed
    name = f"{recipe.name}-seed-{seed}"
    show(f"training {name} for {recipe.steps:,} steps")
    run = _train(recipe, seed, name, watching, show, progress=progress)
    story = read_story(journal.read(run.directory), num_test_examples=run.num_test_examples)
    pictures = tuple(_draw(story, Path(watching.directory) / "pictures", name))
    for line in ("", *tell(story), "", *_places(run, watching, pictures)):
        show(line)
    return _result(story, run, pictures)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What is left of a run when its training is over."""

    id: str
    name: str
    directory: Path
    num_test_examples: int


def _train(
    recipe: Recipe, seed: int, name: str, watching: Watching, show: Show, *, progress: bool
) -> _Run:
    """Train one run under the monitor."""
    parts = build(recipe, seed)
    evaluations = _Evaluations()
    monitor = GrokkingMonitor(
        parts.probe,
        sinks=watching.sinks,
        hooks=(*watching.hooks, Announcer(show, evaluations.at)),
        predictor=watching.predictor,
        report=watching.report,
        directory=watching.directory,
        quota_bytes=watching.quota_bytes,
        budget=watching.budget,
        signals=_fitting_signals(recipe, watching.signals),
        name=name,
    )
    bar = progress_bar(recipe.steps) if progress else progress_lines(recipe.steps, show)
    with hushed("grokwatch.callbacks.first_batch"), bar as report:  # the probe says it all
        fit(parts, recipe.steps, [monitor, Progress(evaluations.following(monitor, report))])
    return _Run(
        id=monitor.run_id or "",
        name=name,
        directory=monitor.directory,
        num_test_examples=len(parts.data.split.test_targets),
    )


def _fitting_signals(recipe: Recipe, preset: str) -> list[Signal]:
    """Those of a preset that a recipe's network has; others would only be listed as skipped."""
    strange = _PARTICULAR - _GIVEN[Group.parse(recipe.task.group).kind]
    return [signal for signal in presets.choose(preset) if not strange & signal.needs]


class _Evaluations:
    """Test accuracies by step, for who asks later and from another thread."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._accuracies: list[float | None] = []

    def at(self, step: int) -> float | None:
        """The newest one at a step; None before the first evaluation."""
        place = bisect_right(self._steps, step)
        return self._accuracies[place - 1] if place else None

    def following(
        self, monitor: GrokkingMonitor, report: Report
    ) -> Callable[[int, float | None], None]:
        """A function that remembers the test accuracy and reports where the run stands."""

        def follow(step: int, test_accuracy: float | None) -> None:
            self._accuracies.append(test_accuracy)
            self._steps.append(step)
            assessment, observation = monitor.last_assessment, monitor.last_observation
            reading = Reading(
                step=step,
                train_accuracy=observation.train_accuracy if observation else None,
                test_accuracy=test_accuracy,
                stage=assessment.stage if assessment else None,
                probability=assessment.rise_probability if assessment else None,
            )
            report(reading)

        return follow


def _draw(story: Story, folder: Path, name: str) -> Iterator[str]:
    """Draw the run for light and for dark pages."""
    yield str(draw_run(story, folder / f"{name}.png", "light"))
    yield str(draw_run(story, folder / f"{name}-dark.png", "dark"))


def _places(run: _Run, watching: Watching, pictures: Sequence[str]) -> Iterator[str]:
    """Where to look further."""
    for target in (strip_credentials(sink) for sink in watching.sinks):
        module, _, address = target.partition(":")
        if module == "mlflow":
            yield f"MLflow:   run {run.name} at {address}"
            yield f"          look with: {_program('mlflow')} ui --backend-store-uri {address}"
        elif module != "prometheus":
            yield f"{module}: {address}"
    yield f"journal:  {run.directory}"
    yield f"          judge again with: {_program('grokwatch')} replay {run.id[:8]}"
    yield f"          see why with: {_program('grokwatch')} report {run.id[:8]} --open"
    yield f"pictures: {', '.join(pictures)}"


def _program(name: str) -> str:
    """How to call a program of this environment from here."""
    path = Path(sys.executable).with_name(name)
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _result(story: Story, run: _Run, pictures: tuple[str, ...]) -> Demo:
    """The same as plain data."""
    outcome, warning = story.outcome, story.warning
    warned = warning.step if warning else None
    sure = warning.assessment.rise_probability if warning and warning.assessment else None
    return Demo(
        run_id=run.id,
        name=run.name,
        steps=story.last_step,
        warned_step=warned,
        probability=sure,
        lead_to_onset_steps=_difference(outcome.onset_step, warned),
        lead_to_grokking_steps=_difference(outcome.grokking_step, warned),
        outcome=outcome,
        journal=str(run.directory),
        pictures=pictures,
    )


def _difference(later: int | None, earlier: int | None) -> int | None:
    """Steps from one event to the other, where both were seen."""
    return None if later is None or earlier is None else later - earlier
