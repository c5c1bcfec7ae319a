"""Run: should this one go on training?"""

from dashboards.grafana import colors, run_cost, run_signals, scales
from dashboards.grafana.entries import PLAIN, Board, Entry, Query, Section, Thresholds, Word
from dashboards.grafana.expressions import ONE_RUN, of_runs


def _run(metric: str, *more: str) -> str:
    return of_runs(metric, ONE_RUN, *more)


def _number(
    title: str, metric: str, description: str, unit: str, thresholds: Thresholds = PLAIN
) -> Entry:
    return Entry(
        kind="stat",
        title=title,
        description=description,
        unit=unit,
        queries=(Query(expression=_run(metric), legend=title.lower()),),
        thresholds=thresholds,
        width=4,
        height=4,
    )


_VERDICT = Section(
    "The verdict",
    (
        Entry(
            kind="stat",
            title="Stage",
            description="Where the run is, by its train-side signals; generalized is what its "
            "evaluations show.",
            queries=(Query(expression=_run("grokwatch_stage"), legend="stage"),),
            thresholds=scales.STAGE,
            words=scales.STAGES,
            width=4,
            height=4,
        ),
        _number(
            "Probability of grokking",
            "grokwatch_probability",
            "Within ten times the steps since memorization; no data where the predictor cannot "
            "tell.",
            scales.RATIO,
            scales.PROBABILITY,
        ),
        _number(
            "Probability of a rise",
            "grokwatch_rise_probability",
            "That test accuracy leaves its plateau within ten times the steps since memorization.",
            scales.RATIO,
            scales.PROBABILITY,
        ),
        _number(
            "Test accuracy",
            "grokwatch_test_accuracy",
            "At the last evaluation; the predictor does not see it.",
            scales.RATIO,
            scales.ACCURACY,
        ),
        _number("Step", "grokwatch_step", "Optimiser updates made.", scales.COUNT),
        Entry(
            kind="stat",
            title="Alerts that fire",
            description="How many of the four codes fire or were confirmed.",
            queries=(
                Query(
                    expression="sum("
                    + of_runs("grokwatch_alert_firing", ONE_RUN, by=("run", "task", "code"))
                    + ")",
                    legend="alerts",
                ),
            ),
            thresholds=scales.NEWS,
            width=4,
            height=4,
        ),
    ),
)
_COURSE = Section(
    "The course",
    (
        Entry(
            kind="timeseries",
            title="Accuracy",
            description="Train and test. Grokking is the test line that rises long after the train "
            "line. Bands are alerts.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=_run("grokwatch_train_accuracy"), legend="train", color=colors.TRAIN
                ),
                Query(expression=_run("grokwatch_test_accuracy"), legend="test", color=colors.TEST),
            ),
            least=0,
            most=1,
        ),
        Entry(
            kind="timeseries",
            title="Loss",
            description="Train and test, on a logarithmic scale. Bands are alerts.",
            unit=scales.SCIENTIFIC,
            queries=(
                Query(expression=_run("grokwatch_train_loss"), legend="train", color=colors.TRAIN),
                Query(expression=_run("grokwatch_test_loss"), legend="test", color=colors.TEST),
            ),
            is_log=True,
        ),
        Entry(
            kind="timeseries",
            title="Probability",
            description="Of grokking, and of a rise of test accuracy. Gaps: the predictor cannot "
            "tell.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=_run("grokwatch_probability"), legend="grokking", color=colors.BLUE
                ),
                Query(
                    expression=_run("grokwatch_rise_probability"),
                    legend="a rise",
                    color=colors.ORANGE,
                ),
            ),
            thresholds=scales.PROBABILITY,
            least=0,
            most=1,
        ),
        Entry(
            kind="timeseries",
            title="Steps to grokking",
            description="The predicted interval, counted from now. No upper line: no upper end can "
            "be given.",
            unit=scales.COUNT,
            queries=(
                Query(
                    expression=_run("grokwatch_eta_low_steps"), legend="at least", color=colors.SKY
                ),
                Query(
                    expression=_run("grokwatch_eta_high_steps"),
                    legend="at most",
                    color=colors.BLUE,
                    fills_to="at least",
                ),
            ),
            least=0,
        ),
        Entry(
            kind="state-timeline",
            title="Stages",
            description="Where the run was. A stage can follow any other.",
            queries=(Query(expression=_run("grokwatch_stage"), legend="stage"),),
            thresholds=scales.STAGE,
            words=scales.STAGES,
            height=5,
        ),
        Entry(
            kind="state-timeline",
            title="Alerts",
            description="When each code fired.",
            queries=tuple(
                Query(
                    expression=_run("grokwatch_alert_firing", f'code="{code.value}"'),
                    legend=code.value,
                    words=(
                        Word("0", "quiet", "transparent"),
                        Word("1", f"{code.value} {code.sentence}", color),
                    ),
                )
                for code, color in colors.CODES.items()
            ),
            thresholds=scales.NEWS,
            height=5,
        ),
    ),
)

BOARD = Board(
    name="run",
    title="grokwatch: run",
    description="One run: should it go on training?",
    variables=("datasource", "tasks", "run", "service_url", "mlflow_url", "mlflow_experiment"),
    sections=(_VERDICT, _COURSE, *run_signals.SECTIONS, run_cost.SECTION),
    has_alerts=True,
)
