"""Fleet: which of all runs is worth a look, and which may be stopped?"""

from dashboards.grafana import colors, scales
from dashboards.grafana.entries import Board, Entry, Query, Section
from dashboards.grafana.expressions import EVERY_TASK, heard_of, number_of, of_runs
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.vocabulary import Stage


def _runs(metric: str, *more: str) -> str:
    return of_runs(metric, EVERY_TASK, *more)


def _by_code(*codes: str) -> str:
    chosen = f'code=~"{"|".join(codes)}"'
    firing = of_runs("grokwatch_alert_firing", EVERY_TASK, chosen, by=("run", "task", "code"))
    return number_of(f"{firing} == 1")


def _in_stage(stage: Stage) -> Query:
    return Query(
        expression=number_of(f"{_runs('grokwatch_stage')} == {stage_number(stage)}"),
        legend=stage.value.replace("_", " "),
        color=colors.STAGES[stage],
    )


_NOW = Section(
    "Now",
    (
        Entry(
            kind="stat",
            title="Runs",
            description="Runs that are being watched: each has a step.",
            queries=(Query(expression=number_of(_runs("grokwatch_step")), legend="runs"),),
            width=4,
            height=4,
        ),
        Entry(
            kind="stat",
            title="Likely to grok",
            description="Runs whose GRK001 fires or was confirmed: keep training these.",
            queries=(Query(expression=_by_code("GRK001"), legend="GRK001"),),
            thresholds=scales.NEWS,
            width=4,
            height=4,
        ),
        Entry(
            kind="stat",
            title="Will not grok",
            description="Runs whose GRK002 fires: unlikely to generalise within their budget.",
            queries=(Query(expression=_by_code("GRK002"), legend="GRK002"),),
            thresholds=scales.TROUBLE,
            width=4,
            height=4,
        ),
        Entry(
            kind="stat",
            title="Collapsing or stuck",
            description="Runs whose GRK003 or GRK004 fires: look at these now.",
            queries=(Query(expression=_by_code("GRK003", "GRK004"), legend="GRK003, GRK004"),),
            thresholds=scales.TROUBLE,
            width=4,
            height=4,
        ),
        Entry(
            kind="stat",
            title="Stale",
            description="Runs that nobody has heard of for a quarter of an hour, though they "
            "have not ended; after a day they are history.",
            queries=(
                Query(
                    expression=number_of(
                        f"{heard_of(EVERY_TASK)} > {scales.STALE_SECONDS:g}"
                        f" < {scales.DAY_SECONDS:g}"
                    ),
                    legend="stale",
                ),
            ),
            thresholds=scales.TROUBLE,
            width=4,
            height=4,
        ),
        Entry(
            kind="stat",
            title="Highest overhead",
            description="The largest share of its training time that any run spends on being "
            "watched.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=f"max({_runs('grokwatch_overhead_ratio')})",
                    legend="overhead",
                ),
            ),
            thresholds=scales.OVERHEAD,
            width=4,
            height=4,
        ),
    ),
)
_STAGES = Section(
    "Where the runs are",
    (
        Entry(
            kind="timeseries",
            title="Runs by stage",
            description="How many runs are in each stage. Generalized is what evaluations show; "
            "the others are the predictor's.",
            unit=scales.COUNT,
            queries=tuple(_in_stage(stage) for stage in Stage),
            is_stacked=True,
            least=0,
        ),
        Entry(
            kind="state-timeline",
            title="Probability of grokking, by run",
            description="Within ten times the steps since memorization. A gap: the predictor "
            "cannot tell.",
            unit=scales.RATIO,
            queries=(Query(expression=_runs("grokwatch_probability"), legend="{{run}}"),),
            thresholds=scales.PROBABILITY,
            least=0,
            most=1,
        ),
        Entry(
            kind="timeseries",
            title="Test accuracy, by run",
            description="What it is all about; no predictor sees it.",
            unit=scales.RATIO,
            queries=(
                Query(expression=_runs("grokwatch_test_accuracy"), legend="{{run}}", has_many=True),
            ),
            least=0,
            most=1,
        ),
        Entry(
            kind="timeseries",
            title="Probability of a rise, by run",
            description="That test accuracy leaves its plateau, which GRK001 is raised on.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=_runs("grokwatch_rise_probability"), legend="{{run}}", has_many=True
                ),
            ),
            thresholds=scales.PROBABILITY,
            least=0,
            most=1,
        ),
    ),
)
_LISTS = Section(
    "Which run",
    (
        Entry(
            kind="table",
            title="Runs",
            description="The newest values of each run. A run's name leads to its dashboard.",
            queries=(
                Query(
                    expression=_runs("grokwatch_stage"),
                    legend="stage",
                    words=scales.STAGES,
                    thresholds=scales.STAGE,
                ),
                Query(expression=_runs("grokwatch_step"), legend="step", unit=scales.COUNT),
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
                    expression=_runs("grokwatch_eta_high_steps"),
                    legend="steps to go, at most",
                    unit=scales.COUNT,
                ),
                Query(
                    expression=heard_of(EVERY_TASK),
                    legend="heard of",
                    unit=scales.SECONDS,
                    thresholds=scales.AGE,
                ),
            ),
            width=24,
            height=9,
        ),
        Entry(
            kind="table",
            title="Alerts that fire",
            description="Every alert that fires or was confirmed. A run's name leads to its "
            "dashboard.",
            queries=(
                Query(
                    expression=of_runs(
                        "grokwatch_alert_firing", EVERY_TASK, by=("run", "task", "code")
                    )
                    + " == 1",
                    legend="state",
                    words=scales.FIRING,
                ),
            ),
            words=scales.CODES,
            width=24,
            height=7,
        ),
        Entry(
            kind="bargauge",
            title="Overhead, the twenty highest",
            description="Share of the time since the run started that observations took from "
            "training.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=f"topk(20, {_runs('grokwatch_overhead_ratio')})", legend="{{run}}"
                ),
            ),
            thresholds=scales.OVERHEAD,
            least=0,
            width=12,
            height=9,
        ),
        Entry(
            kind="bargauge",
            title="Seconds since a run was heard of, the twenty longest",
            description="By whoever heard of the run last: its own exporter, or the service.",
            unit=scales.SECONDS,
            queries=(Query(expression=f"topk(20, {heard_of(EVERY_TASK)})", legend="{{run}}"),),
            thresholds=scales.AGE,
            least=0,
            width=12,
            height=9,
        ),
    ),
)

BOARD = Board(
    name="fleet",
    title="grokwatch: fleet",
    description="All runs: which is worth a look, and which may be stopped?",
    variables=("datasource", "tasks", "service_url"),
    sections=(_NOW, _STAGES, _LISTS),
)
