"""The picture of one run, drawn from its journal alone, so that any run can be drawn later."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from grokwatch.experiments.palette import PALETTES, Palette, Style
from grokwatch.experiments.panels import (
    draw_accuracy,
    draw_norm,
    draw_sparsity,
    draw_weights,
    pick_frames,
)
from grokwatch.monitor.story import Story

_DOTS_PER_INCH = 160


def draw_run(story: Story, path: Path, style: Style = "light") -> Path:
    """Draw accuracy, sparsity, norm, and weights before and after, as a PNG.

    Args:
        story: of the run.
        path: of the file; its folder is made.
        style: for a light or a dark page.

    Returns:
        `path`.
    """
    palette = PALETTES[style]
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(palette.settings()):
        figure = Figure(figsize=(10, 9), dpi=_DOTS_PER_INCH)
        _compose(figure, story, palette)
        figure.savefig(path, metadata={"Software": None})
    return path


def _compose(figure: Figure, story: Story, palette: Palette) -> None:
    """Lay out headline, panels and caption."""
    grid = figure.add_gridspec(
        3, 2, height_ratios=(1.25, 1, 1), left=0.065, right=0.975, top=0.85, bottom=0.09,
        hspace=0.42, wspace=0.14,
    )  # fmt: skip
    figure.text(0.065, 0.955, headline(story), fontsize=17, weight="bold")
    figure.text(0.065, 0.918, _subtitle(story), fontsize=10.5, color=palette.faint)
    draw_accuracy(figure.add_subplot(grid[0, :]), story, palette)
    draw_sparsity(figure.add_subplot(grid[1, 0]), story, palette)
    draw_norm(figure.add_subplot(grid[1, 1]), story, palette)
    frames = pick_frames(story)
    if frames is not None:
        for column, (frame, name) in enumerate(zip(frames, ("before", "after"), strict=True)):
            title = f"Input weights {name}, at step {frame.step:,}"
            draw_weights(figure.add_subplot(grid[2, column]), frame, story, palette, title)
    figure.text(0.065, 0.025, _caption(story), fontsize=9.5, color=palette.faint)


def headline(story: Story) -> str:
    """What the run shows, in one sentence that claims no more than was seen."""
    warning, onset = story.warning, story.outcome.onset_step
    if warning is None:
        return f"No warning in {story.last_step:,} steps"
    if onset is None:
        return f"Warned at step {warning.step:,}; flat until step {story.last_step:,}"
    if onset > warning.step:
        return f"Warned {onset - warning.step:,} steps before held-out accuracy began to rise"
    return f"Warned {warning.step - onset:,} steps after held-out accuracy began to rise"


def _subtitle(story: Story) -> str:
    """When it memorized and when it generalized."""
    memorized, grokked = story.outcome.train_step, story.outcome.grokking_step
    first = "not memorised" if memorized is None else f"memorised at step {memorized:,}"
    last = f"not past 95 % by step {story.last_step:,}"
    if grokked is not None:
        last = f"past 95 % on held-out data at step {grokked:,}"
    name = f"{story.started.name}: " if story.started and story.started.name else ""
    return f"{name}{first}, {last}"


def _caption(story: Story) -> str:
    """What to look for."""
    warning, onset = story.warning, story.outcome.onset_step
    if warning is None and onset is None:
        return (
            "Look for what is missing: the norm moves, as it does in every decayed run, "
            "but the weights stay as irregular as noise."
        )
    if warning is None or onset is None:
        return "Look at the sparsity: what the predictor made of it and what followed do not agree."
    if onset > warning.step:
        return (
            "Look at the steps between the warning and the rise: held-out accuracy says nothing "
            "yet, while noise in the weights is turning into a pattern."
        )
    return "Look at the sparsity: here it rises together with held-out accuracy, not before it."
