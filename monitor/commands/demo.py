"""`grokwatch demo`: the main job, on a small network."""

from collections.abc import Callable

from grokwatch.experiments import demo as job
from grokwatch.monitor import config
from grokwatch.monitor.commands import Report
from grokwatch.monitor.config import MonitorSection

_SAID_ANYWAY = "log:"


def demo(
    section: MonitorSection,
    *,
    task: str,
    random_labels: bool,
    seed: int | None,
    steps: int | None,
    push: str | None = None,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Train, watch, tell; lines are shown as they come.

    Args:
        section: what is measured, where records go, and who judges.
        task: name of a recipe, `addition` or `parity`.
        random_labels: shuffle the answers, so that there is nothing to warn of.
        seed: of data and weights; the recipe's own by default.
        steps: optimizer updates; the recipe's own by default.
        push: address of a service to push the run to, beside the sinks.
        show: takes one line at a time.
        progress: draw a progress bar.

    Returns:
        What the run showed; `holds` is always True, for a silence can be right.

    Raises:
        ConfigurationError: no such task or preset, or a target that cannot be used.
    """
    pushed = [] if push is None else [f"remote:{push}"]
    watching = job.Watching(
        directory=section.directory,
        quota_bytes=section.quota_bytes,
        sinks=[*(config.resolve(target) for target in section.sinks), *pushed],
        hooks=[target for target in section.hooks if target != _SAID_ANYWAY],
        predictor=section.predictor,
        report=section.report,
        signals=section.signals or job.Watching.signals,
    )
    found = job.demo(
        task=task,
        random_labels=random_labels,
        seed=seed,
        steps=steps,
        watching=watching,
        show=show,
        progress=progress,
    )
    return Report(data=found, lines=())
