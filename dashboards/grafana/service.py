"""Service health: does `grokwatch serve` take records, judge them, and tell people?"""

from dashboards.grafana import colors, scales, service_hooks
from dashboards.grafana.entries import PLAIN, Board, Entry, Query, Section, Thresholds, Words

_P = "grokwatch_service_"
_BUCKETS = f"sum by (le) (rate({_P}commit_seconds_bucket[$__rate_interval]))"


def _number(
    title: str,
    expression: str,
    description: str,
    unit: str = scales.COUNT,
    thresholds: Thresholds = PLAIN,
    words: Words = (),
) -> Entry:
    return Entry(
        kind="stat",
        title=title,
        description=description,
        unit=unit,
        queries=(Query(expression=expression, legend=title.lower()),),
        thresholds=thresholds,
        words=words,
        width=4,
        height=4,
    )


def _quantile(quantile: float, color: str) -> Query:
    # Without a transaction there is no quantile; the comparison makes a gap of what is then NaN.
    return Query(
        expression=f"histogram_quantile({quantile:g}, {_BUCKETS}) >= 0",
        legend=f"{quantile:.0%}",
        color=color,
    )


def _rate(counter: str, legend: str, color: str) -> Query:
    return Query(
        expression=f"sum(rate({_P}{counter}[$__rate_interval]))", legend=legend, color=color
    )


_NOW = Section(
    "Now",
    (
        _number(
            "Takes records",
            f"min({_P}writable)",
            "Whether the store takes records; the least of all processes.",
            thresholds=scales.TROUBLE,
            words=scales.WRITABLE,
        ),
        _number(
            "Runs that run",
            f'max({_P}runs{{status="running"}}) or vector(0)',
            "Runs in the store that have not ended.",
        ),
        _number(
            "Alerts that fire",
            f"sum(max by (code) ({_P}firing_alerts)) or vector(0)",
            "Over all runs that run.",
            thresholds=scales.NEWS,
        ),
        _number(
            "Batches that wait",
            f"sum({_P}queue_depth)",
            "Batches that were taken and wait to be stored.",
        ),
        _number(
            "Intake lag",
            f"max({_P}intake_lag_seconds)",
            "How long the batch has waited that waits longest.",
            scales.SECONDS,
            scales.LAG,
        ),
        _number(
            "Messages that wait",
            f"sum({_P}hook_waiting) or vector(0)",
            "Messages to hooks that are not delivered yet.",
            thresholds=scales.NEWS,
        ),
    ),
)
_INTAKE = Section(
    "Taking records",
    (
        Entry(
            kind="timeseries",
            title="Records",
            description="By the second: stored, come again, and too late to be judged.",
            unit=scales.by_second("records"),
            queries=(
                _rate("stored_records_total", "stored", colors.BLUE),
                _rate("duplicate_records_total", "again", colors.GREY),
                _rate("late_records_total", "late", colors.ORANGE),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Time of a transaction",
            description="Quantiles of the seconds that a transaction of the intake took.",
            unit=scales.SECONDS,
            queries=(
                _quantile(0.5, colors.SKY),
                _quantile(0.9, colors.BLUE),
                _quantile(0.99, colors.VERMILLION),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Queue",
            description="Batches that wait to be stored. A line that grows: the store is too slow.",
            unit=scales.COUNT,
            queries=(
                Query(expression=f"sum({_P}queue_depth)", legend="batches", color=colors.BLUE),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Failed transactions",
            description="By the second. Nothing is acknowledged by them; trainers send again.",
            unit=scales.by_second("failures"),
            queries=(_rate("store_failures_total", "failures", colors.VERMILLION),),
            least=0,
        ),
    ),
)
_STORE = Section(
    "What the store holds",
    (
        Entry(
            kind="timeseries",
            title="Runs by status",
            description="All runs in the store.",
            unit=scales.COUNT,
            queries=tuple(
                Query(expression=f'max({_P}runs{{status="{status}"}})', legend=status, color=color)
                for status, color in (
                    ("running", colors.BLUE),
                    ("finished", colors.GREEN),
                    ("failed", colors.VERMILLION),
                    ("interrupted", colors.GREY),
                )
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Runs that run, by stage",
            description="By the service's own judgement.",
            unit=scales.COUNT,
            queries=tuple(
                Query(
                    expression=f'max({_P}running_runs{{stage="{stage.value}"}})',
                    legend=stage.value.replace("_", " "),
                    color=color,
                )
                for stage, color in colors.STAGES.items()
            ),
            is_stacked=True,
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Observations",
            description="Observations in the store; it shrinks where old ones are thinned.",
            unit=scales.COUNT,
            queries=(
                Query(
                    expression=f"max({_P}observations)", legend="observations", color=colors.BLUE
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Alerts that fire, by code",
            description="Over all runs that run.",
            unit=scales.COUNT,
            queries=tuple(
                Query(
                    expression=f'max({_P}firing_alerts{{code="{code.value}"}})',
                    legend=f"{code.value} {code.sentence}",
                    color=color,
                )
                for code, color in colors.CODES.items()
            ),
            least=0,
        ),
    ),
)

BOARD = Board(
    name="service",
    title="grokwatch: service health",
    description="Does the service take records, judge them, and tell people?",
    variables=("datasource", "service_url"),
    sections=(_NOW, _INTAKE, _STORE, *service_hooks.SECTIONS),
)
