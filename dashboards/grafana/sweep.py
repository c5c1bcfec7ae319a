"""Sweep: what became of many runs of one task?"""

import dataclasses

from dashboards.grafana import colors, scales
from dashboards.grafana.entries import Board, Entry, Query, Section
from dashboards.grafana.expressions import ONE_TASK, number_of, of_runs
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.vocabulary import Stage

_TOLD = """\
Prometheus knows a run by its name and its task alone. So this page shows how the runs of
**one task** are spread, not which hyper-parameters they had.

For the phase diagram over learning rate, weight decay or the share of the data that is trained
on, run `grokwatch report --sweep`: the journals hold every hyper-parameter.
"""


def _runs(metric: str) -> str:
    return of_runs(metric, ONE_TASK)


def _share(stage: Stage) -> Query:
    inside = f"{_runs('grokwatch_stage')} == {stage_number(stage)}"
    return Query(
        expression=f"({number_of(inside)}) / count({_runs('grokwatch_stage')})",
        legend=stage.value.replace("_", " "),
        color=colors.STAGES[stage],
    )


_PHASES = Section(
    "What became of them",
    (
        Entry(
            kind="text",
            title="What is here, and what is not",
            description="Which questions about a sweep this page answers.",
            text=_TOLD,
            width=12,
            height=5,
        ),
        Entry(
            kind="stat",
            title="Runs",
            description="Runs of this task that are being watched.",
            queries=(Query(expression=number_of(_runs("grokwatch_step")), legend="runs"),),
            width=4,
            height=5,
        ),
        Entry(
            kind="stat",
            title="Generalized",
            description="Share of the runs whose evaluations show that they generalised.",
            unit=scales.RATIO,
            queries=(dataclasses.replace(_share(Stage.GENERALIZED), color=None),),
            thresholds=scales.ACCURACY,
            width=4,
            height=5,
        ),
        Entry(
            kind="stat",
            title="Median test accuracy",
            description="Half of the runs are above it.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=f"quantile(0.5, {_runs('grokwatch_test_accuracy')})",
                    legend="median",
                ),
            ),
            thresholds=scales.ACCURACY,
            width=4,
            height=5,
        ),
        Entry(
            kind="timeseries",
            title="Share of runs by stage",
            description="The phase diagram along time: how the runs pass from stage to stage.",
            unit=scales.RATIO,
            queries=tuple(_share(stage) for stage in Stage),
            is_stacked=True,
            least=0,
            most=1,
            height=9,
        ),
        Entry(
            kind="state-timeline",
            title="Stage, by run",
            description="One row for each run. Rows that stay in one color are where the sweep is "
            "stuck.",
            queries=(Query(expression=_runs("grokwatch_stage"), legend="{{run}}"),),
            thresholds=scales.STAGE,
            words=scales.STAGES,
            height=9,
        ),
    ),
)
_SPREAD = Section(
    "How they are spread",
    (
        Entry(
            kind="heatmap",
            title="Test accuracy of the runs",
            description="How many runs are in each tenth of test accuracy. Two bands far apart: "
            "some grokked, and the others did not.",
            unit=scales.RATIO,
            queries=(Query(expression=_runs("grokwatch_test_accuracy"), legend="{{run}}"),),
            thresholds=scales.ACCURACY,
            least=0,
            most=1,
        ),
        Entry(
            kind="heatmap",
            title="Probability of grokking of the runs",
            description="How many runs are in each tenth of probability, as far as the predictor "
            "can tell.",
            unit=scales.RATIO,
            queries=(Query(expression=_runs("grokwatch_probability"), legend="{{run}}"),),
            thresholds=scales.PROBABILITY,
            least=0,
            most=1,
        ),
        Entry(
            kind="timeseries",
            title="Weight norm, by run",
            description="Runs that generalise often do so as their norm falls. One line for each "
            "run.",
            unit=scales.COUNT,
            queries=(
                Query(
                    expression=_runs("grokwatch_weight_norm"),
                    legend="{{run}}",
                    has_many=True,
                ),
            ),
            is_log=True,
        ),
        Entry(
            kind="timeseries",
            title="Train loss, by run",
            description="A run whose loss stays at zero can be numerically stuck.",
            unit=scales.SCIENTIFIC,
            queries=(
                Query(
                    expression=_runs("grokwatch_train_loss"),
                    legend="{{run}}",
                    has_many=True,
                ),
            ),
            is_log=True,
        ),
    ),
)
_LIST = Section(
    "Run by run",
    (
        Entry(
            kind="table",
            title="Runs of this task",
            description="The newest values; sort by a column's title. A run's name leads to its "
            "dashboard.",
            queries=(
                Query(
                    expression=_runs("grokwatch_stage"),
                    legend="stage",
                    words=scales.STAGES,
                    thresholds=scales.STAGE,
                ),
                Query(expression=_runs("grokwatch_step"), legend="step", unit=scales.COUNT),
                Query(
                    expression=_runs("grokwatch_train_accuracy"),
                    legend="train accuracy",
                    unit=scales.RATIO,
                ),
                Query(
                    expression=_runs("grokwatch_test_accuracy"),
                    legend="test accuracy",
                    unit=scales.RATIO,
                    thresholds=scales.ACCURACY,
                ),
                Query(
                    expression=_runs("grokwatch_probability"),
                    legend="probability",
                    unit=scales.RATIO,
                    thresholds=scales.PROBABILITY,
                ),
                Query(
                    expression=_runs("grokwatch_weight_norm"),
                    legend="weight norm",
                    unit=scales.COUNT,
                ),
            ),
            width=24,
            height=10,
        ),
    ),
)

BOARD = Board(
    name="sweep",
    title="grokwatch: sweep",
    description="Many runs of one task: what became of them?",
    variables=("datasource", "task", "service_url"),
    sections=(_PHASES, _SPREAD, _LIST),
    past="24h",
)
