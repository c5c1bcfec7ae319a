"""The alerts of a run, marked in the panels of its dashboard while they fire."""

from grafana_foundation_sdk.models import dashboard

from dashboards.grafana.colors import CODES
from dashboards.grafana.expressions import ONE_RUN, of_runs
from dashboards.grafana.panels import SOURCE
from grokwatch.monitor.vocabulary import AlertCode


def alerts() -> list[dashboard.AnnotationQuery]:
    """One for each code, in its color."""
    return [_alert(code) for code in AlertCode]


def _alert(code: AlertCode) -> dashboard.AnnotationQuery:
    firing = of_runs("grokwatch_alert_firing", ONE_RUN, f'code="{code.value}"')
    return dashboard.AnnotationQuery(
        name=f"{code.value} {code.sentence}",
        datasource=SOURCE,
        enable=True,
        icon_color=CODES[code],
        expr=f"{firing} == 1",
        title_format=code.value,
        text_format=code.sentence,
        tag_keys="run",
        step="10s",
    )
