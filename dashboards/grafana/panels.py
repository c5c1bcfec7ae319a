"""An entry becomes Grafana's panel."""

from grafana_foundation_sdk.models import common, dashboard, prometheus

from dashboards.grafana.entries import Entry, Query
from dashboards.grafana.fields import defaults, overrides, reference
from dashboards.grafana.kinds import custom_of, options_of

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

_INSTANT = ("table", "bargauge")


def panel(entry: Entry, *, number: int, place: dashboard.GridPos) -> dashboard.Panel:
    """Build a panel.

    Args:
        entry: what it shows.
        number: its id within the dashboard.
        place: where it stands.

    Returns:
        The panel.
    """
    is_text = entry.kind == "text"
    fields = dashboard.FieldConfigSource(
        defaults=defaults(entry, custom_of(entry)), overrides=overrides(entry)
    )
    return dashboard.Panel(
        type_val=entry.kind,
        id_val=number,
        title=entry.title,
        description=entry.description,
        grid_pos=place,
        datasource=None if is_text else SOURCE,
        targets=[_target(entry, index, query) for index, query in enumerate(entry.queries)] or None,
        transformations=_transformations(entry),
        options=options_of(entry),
        field_config=None if is_text else fields,
    )


def _target(entry: Entry, index: int, query: Query) -> prometheus.Dataquery:
    is_instant = entry.kind in _INSTANT
    shape = (
        prometheus.PromQueryFormat.TABLE
        if entry.kind == "table"
        else prometheus.PromQueryFormat.TIME_SERIES
    )
    return prometheus.Dataquery(
        expr=query.expression,
        ref_id=reference(index),
        legend_format=query.legend,
        format_val=shape,
        instant=is_instant,
        range_val=not is_instant,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=SOURCE,
    )


def _transformations(entry: Entry) -> list[dashboard.DataTransformerConfig] | None:
    """A table joins its queries by the labels they share; each value is a column by its legend."""
    if entry.kind != "table":
        return None
    many = len(entry.queries) > 1
    columns = {
        f"Value #{reference(index)}" if many else "Value": query
        for index, query in enumerate(entry.queries)
    }
    tidy = {
        "excludeByName": {"Time": True},
        "renameByName": {name: query.legend for name, query in columns.items()},
        "indexByName": {},
    }
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=tidy),
    ]
