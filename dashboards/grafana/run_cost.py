"""What watching a run costs, and whether its records arrive."""

from collections.abc import Sequence

from dashboards.grafana import colors, scales
from dashboards.grafana.entries import Entry, Query, Section
from dashboards.grafana.expressions import ONE_RUN, heard_of, of_runs, rate_of


def _run(metric: str) -> str:
    return of_runs(metric, ONE_RUN)


def _by(label: str) -> Sequence[str]:
    return ("run", "task", label)


SECTION = Section(
    "Cost, cadence and delivery",
    (
        Entry(
            kind="timeseries",
            title="Overhead",
            description="Share of the time since the start that observations took, and the budget "
            "that it must stay under. The budget is absent where none was set. Logarithmic: the "
            "first observations weigh most.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression=_run("grokwatch_overhead_ratio"),
                    legend="overhead",
                    color=colors.BLUE,
                ),
                Query(
                    expression=_run("grokwatch_budget_ratio"),
                    legend="budget",
                    color=colors.VERMILLION,
                ),
            ),
            is_log=True,
        ),
        Entry(
            kind="timeseries",
            title="Cost of an observation",
            description="Seconds that the last observation took from training.",
            unit=scales.SECONDS,
            queries=(
                Query(
                    expression=_run("grokwatch_observation_cost_seconds"),
                    legend="cost",
                    color=colors.BLUE,
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Cadence",
            description="Observations by the second. It thins as steps go on, and where the budget "
            "asks for it.",
            unit=scales.by_second("observations"),
            queries=(
                Query(
                    expression=rate_of("grokwatch_observations_total", ONE_RUN),
                    legend="observations",
                    color=colors.BLUE,
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Age of the last observation",
            description="Seconds since the run was heard of, by its exporter or by the service.",
            unit=scales.SECONDS,
            queries=(Query(expression=heard_of(ONE_RUN), legend="age", color=colors.BLUE),),
            thresholds=scales.AGE,
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Values that are missing",
            description="By the second: signals that had no value, values that were not finite, "
            "and records that were dropped, by reason.",
            unit=scales.by_second("values"),
            queries=(
                Query(
                    expression=rate_of("grokwatch_signal_errors_total", ONE_RUN),
                    legend="no value",
                    color=colors.ORANGE,
                ),
                Query(
                    expression=rate_of("grokwatch_non_finite_values_total", ONE_RUN),
                    legend="not finite",
                    color=colors.PURPLE,
                ),
                Query(
                    expression=rate_of(
                        "grokwatch_dropped_records_total", ONE_RUN, by=_by("reason")
                    ),
                    legend="dropped: {{reason}}",
                    color=colors.VERMILLION,
                    has_many=True,
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Lag of sinks",
            description="Records of the journal that a sink has not taken yet. A line that grows: "
            "it is away, or too slow.",
            unit=scales.COUNT,
            queries=(
                Query(
                    expression=of_runs("grokwatch_sink_lag_records", ONE_RUN, by=_by("sink")),
                    legend="{{sink}}",
                    has_many=True,
                ),
            ),
            thresholds=scales.WAITING,
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Failures of sinks",
            description="By the second. Nothing is lost by them: the records wait in the journal.",
            unit=scales.by_second("failures"),
            queries=(
                Query(
                    expression=rate_of("grokwatch_sink_failures_total", ONE_RUN, by=_by("sink")),
                    legend="{{sink}}",
                    has_many=True,
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Journal",
            description="Bytes on disk, and the quota at which records are refused; weight frames "
            "are refused from three quarters of it.",
            unit=scales.BYTES,
            queries=(
                Query(
                    expression=_run("grokwatch_journal_bytes"), legend="journal", color=colors.BLUE
                ),
                Query(
                    expression=_run("grokwatch_journal_quota_bytes"),
                    legend="quota",
                    color=colors.VERMILLION,
                ),
            ),
            least=0,
        ),
    ),
)
