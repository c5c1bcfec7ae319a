"""The criterion on architectures, on runs that are written down here."""

from collections.abc import Mapping

import pytest

from grokwatch.experiments.reproduce import architecture
from grokwatch.experiments.reproduce.architecture import DIRECT, ORDER, TIED, holds, named
from grokwatch.experiments.reproduce.drawing_architecture import SPARSITY
from grokwatch.monitor.records import Evaluation, HyperParameter, Observation, RunStarted
from grokwatch.monitor.story import Story, read_story

Ends = Mapping[str, tuple[float, float]]

AS_PUBLISHED: Ends = {
    **dict.fromkeys(ORDER, (0.99, 0.9)),
    "tied, separate": (0.99, 0.4),
    "untied, separate": (0.99, 0.4),
    DIRECT: (0.01, 0.05),
}


def story(accuracy: float, sparsity: float) -> Story:
    """A run that ends there."""
    return read_story(
        [
            Observation(run_id="r", step=9, time=0.0, train_loss=0.1, values={SPARSITY: sparsity}),
            Evaluation(run_id="r", step=9, time=0.0, test_accuracy=accuracy),
        ]
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({TIED: (0.5, 0.9)}, False),
        ({DIRECT: (0.99, 0.9)}, False),
        ({"tied, separate": (0.99, 0.95)}, False),
        ({"untied, separate": (0.99, 0.95)}, False),
        ({"direct in": (0.1, 0.1)}, True),
    ],
)
def test_the_criterion_asks_for_all_that_was_published(changed: Ends, *, expected: bool) -> None:
    groups = {name: [story(*end)] * 3 for name, end in {**AS_PUBLISHED, **changed}.items()}
    assert holds(groups) is expected


def test_runs_are_named_by_their_options() -> None:
    options: dict[str, HyperParameter] = {
        "model.embeddings": "input_tied",
        "model.separate": False,
        "model.collapsed_input": True,
        "model.collapsed_output": True,
    }
    started = RunStarted(run_id="r", time=0.0, name="x", hyper_parameters=options)
    assert named(read_story([started])) == DIRECT


def test_who_generalises_is_seen_at_the_end() -> None:
    assert architecture.generalized([story(0.96, 1.0), story(0.94, 1.0)]) == 1
