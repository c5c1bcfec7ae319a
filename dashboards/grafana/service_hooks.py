"""Who the service tells, who asks it, and how Prometheus finds it."""

from dashboards.grafana import colors, scales
from dashboards.grafana.entries import Entry, Query, Section
from grokwatch.monitor.service.announcing import DEAD, DELIVERED, PENDING, REPEATING, SUPERSEDED

_P = "grokwatch_service_"


def _by_hook(expression: str) -> tuple[Query, ...]:
    return (
        Query(
            expression=f"sum by (hook) ({expression})",
            legend="{{hook}}",
            has_many=True,
        ),
    )


_HOOKS = Section(
    "Telling people",
    (
        Entry(
            kind="timeseries",
            title="Messages delivered",
            description="By the second and hook.",
            unit=scales.by_second("messages"),
            queries=_by_hook(f"rate({_P}hook_deliveries_total[$__rate_interval])"),
            least=0,
            width=8,
        ),
        Entry(
            kind="timeseries",
            title="Attempts that failed",
            description="By the second and hook. A delivery is tried again for up to three days.",
            unit=scales.by_second("attempts"),
            queries=_by_hook(f"rate({_P}hook_failures_total[$__rate_interval])"),
            least=0,
            width=8,
        ),
        Entry(
            kind="timeseries",
            title="Messages that wait",
            description="By hook. A line that does not fall: its receiver is away.",
            unit=scales.COUNT,
            queries=_by_hook(f"{_P}hook_waiting"),
            least=0,
            width=8,
        ),
        Entry(
            kind="timeseries",
            title="Deliveries in the store",
            description="All messages to hooks, by how it stands with them.",
            unit=scales.COUNT,
            queries=tuple(
                Query(
                    expression=f'max({_P}deliveries{{status="{status}"}})',
                    legend=status,
                    color=color,
                )
                for status, color in (
                    (DELIVERED, colors.GREEN),
                    (PENDING, colors.ORANGE),
                    (REPEATING, colors.PURPLE),
                    (DEAD, colors.VERMILLION),
                    (SUPERSEDED, colors.GREY),
                )
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="When runs were last heard of",
            description="Of the runs that run: the newest, and the one that nobody heard of "
            "longest.",
            unit=scales.SECONDS,
            queries=tuple(
                Query(
                    expression=f'max({_P}last_observation_age_seconds{{which="{which}"}})',
                    legend=which,
                    color=color,
                )
                for which, color in (("newest", colors.BLUE), ("oldest", colors.ORANGE))
            ),
            thresholds=scales.AGE,
            least=0,
        ),
    ),
)
_WEB = Section(
    "Requests and scrapes",
    (
        Entry(
            kind="timeseries",
            title="Requests, by status",
            description="Answered by the second.",
            unit=scales.by_second("requests"),
            queries=tuple(
                Query(
                    expression=f'sum(rate({_P}requests_total{{status=~"{digit}.."}}'
                    "[$__rate_interval]))",
                    legend=f"{digit}xx",
                    color=color,
                )
                for digit, color in (
                    (2, colors.BLUE),
                    (3, colors.GREY),
                    (4, colors.ORANGE),
                    (5, colors.VERMILLION),
                )
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Requests, the ten busiest routes",
            description="Answered by the second.",
            unit=scales.by_second("requests"),
            queries=(
                Query(
                    expression="topk(10, sum by (route) "
                    f"(rate({_P}requests_total[$__rate_interval])))",
                    legend="{{route}}",
                    has_many=True,
                ),
            ),
            least=0,
        ),
        Entry(
            kind="timeseries",
            title="Duration of scrapes",
            description="Seconds that Prometheus took to scrape each job, at the most.",
            unit=scales.SECONDS,
            queries=(
                Query(
                    expression="max by (job) (scrape_duration_seconds)",
                    legend="{{job}}",
                    has_many=True,
                ),
            ),
            thresholds=scales.SCRAPE,
            least=0,
            width=8,
        ),
        Entry(
            kind="timeseries",
            title="Targets that answer",
            description="Share of each job's targets that Prometheus could scrape.",
            unit=scales.RATIO,
            queries=(
                Query(
                    expression="avg by (job) (up)",
                    legend="{{job}}",
                    has_many=True,
                ),
            ),
            least=0,
            most=1,
            width=8,
        ),
        Entry(
            kind="timeseries",
            title="Values left out",
            description="By the second, because of the caps on series: by the service and by "
            "exporters.",
            unit=scales.by_second("values"),
            queries=(
                Query(
                    expression=f"sum(rate({_P}series_truncated_total[$__rate_interval]))",
                    legend="service",
                    color=colors.ORANGE,
                ),
                Query(
                    expression="sum(rate(grokwatch_series_truncated_total[$__rate_interval]))",
                    legend="exporters",
                    color=colors.VERMILLION,
                ),
            ),
            least=0,
            width=8,
        ),
    ),
)

SECTIONS = (_HOOKS, _WEB)
