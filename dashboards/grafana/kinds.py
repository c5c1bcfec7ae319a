"""What draws a panel: for each kind of entry, Grafana's options and its own part of the fields."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)

from dashboards.grafana import scales
from dashboards.grafana.entries import Entry, Kind

LAST = "lastNotNull"


def options_of(entry: Entry) -> object:
    """Grafana's options of an entry's kind."""
    return _OPTIONS[entry.kind](entry)


def custom_of(entry: Entry) -> object:
    """Grafana's part of the fields that belongs to an entry's kind; None where it has none."""
    make = _CUSTOM.get(entry.kind)
    return None if make is None else make(entry)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=False, calcs=[LAST], fields="")


def _legend(entry: Entry) -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=len(entry.queries) > 1 or "{{" in entry.queries[0].legend,
        calcs=[],
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions(
        mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
    )


def _stat(entry: Entry) -> stat.Options:
    colored = len(entry.thresholds) > 1 or bool(entry.words)
    return stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.VALUE if colored else common.BigValueColorMode.NONE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=common.BigValueTextMode.VALUE,
        reduce_options=_last(),
        orientation=common.VizOrientation.AUTO,
    )


def _bargauge(_: Entry) -> bargauge.Options:
    return bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.COLOR,
        name_placement=common.BarGaugeNamePlacement.LEFT,
        sizing=common.BarGaugeSizing.MANUAL,
        min_viz_height=14,
        max_viz_height=24,
        text=common.VizTextDisplayOptions(title_size=13, value_size=13),
        reduce_options=_last(),
        orientation=common.VizOrientation.HORIZONTAL,
    )


def _timeseries(entry: Entry) -> timeseries.Options:
    return timeseries.Options(legend=_legend(entry), tooltip=_tooltip())


def _timeline(_: Entry) -> statetimeline.Options:
    return statetimeline.Options(
        show_value=common.VisibilityMode.NEVER,
        row_height=0.85,
        merge_values=True,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=True,
            calcs=[],
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE),
    )


def _heatmap(entry: Entry) -> heatmap.Options:
    size = ((entry.most or 1.0) - (entry.least or 0.0)) / 10
    return heatmap.Options(
        calculate=True,
        calculation=common.HeatmapCalculationOptions(
            y_buckets=common.HeatmapCalculationBucketConfig(
                mode=common.HeatmapCalculationMode.SIZE, value=f"{size:g}"
            )
        ),
        color=heatmap.HeatmapColorOptions(
            mode=heatmap.HeatmapColorMode.SCHEME, scheme="Blues", steps=32, reverse=False
        ),
        y_axis=heatmap.YAxisConfig(unit=entry.unit, min_val=entry.least, max_val=entry.most),
        cell_values=heatmap.CellValues(unit="none", decimals=0),
        legend=heatmap.HeatmapLegend(show=True),
        tooltip=heatmap.HeatmapTooltip(
            mode=common.TooltipDisplayMode.SINGLE, y_histogram=True, show_color_scale=True
        ),
    )


def _table(_: Entry) -> table.Options:
    return table.Options(cell_height=common.TableCellHeight.SM)


def _text(entry: Entry) -> text.Options:
    return text.Options(mode=text.TextMode.MARKDOWN, content=entry.text)


def _graph_fields(entry: Entry) -> common.GraphFieldConfig:
    scale = common.ScaleDistribution.LOG if entry.is_log else common.ScaleDistribution.LINEAR
    stacking = common.StackingMode.NORMAL if entry.is_stacked else common.StackingMode.NONE
    shown = (
        common.GraphThresholdsStyleMode.DASHED
        if len(entry.thresholds) > 1
        else common.GraphThresholdsStyleMode.OFF
    )
    return common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=1.5,
        fill_opacity=60 if entry.is_stacked else 0,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        stacking=common.StackingConfig(mode=stacking, group="A"),
        scale_distribution=common.ScaleDistributionConfig(
            type_val=scale, log=10 if entry.is_log else None
        ),
        axis_soft_max=_reach(entry),
        thresholds_style=common.GraphThresholdsStyleConfig(mode=shown),
    )


def _reach(entry: Entry) -> float | None:
    """How far up an axis goes at least; Grafana gives a line of zeros an axis up to 100."""
    is_open = entry.least == 0 and entry.most is None and not entry.is_log
    return scales.REACH.get(entry.unit, scales.REACH_OF_RATES) if is_open else None


def _heatmap_fields(_: Entry) -> heatmap.FieldConfig:
    linear = common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LINEAR)
    return heatmap.FieldConfig(scale_distribution=linear)


def _timeline_fields(_: Entry) -> statetimeline.FieldConfig:
    return statetimeline.FieldConfig(line_width=0, fill_opacity=85)


def _table_fields(_: Entry) -> common.TableFieldOptions:
    return common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO,
        cell_options=common.TableAutoCellOptions(),
        filterable=True,
    )


_OPTIONS: Mapping[Kind, Callable[[Entry], object]] = {
    "bargauge": _bargauge,
    "heatmap": _heatmap,
    "stat": _stat,
    "state-timeline": _timeline,
    "table": _table,
    "text": _text,
    "timeseries": _timeseries,
}
_CUSTOM: Mapping[Kind, Callable[[Entry], object]] = {
    "heatmap": _heatmap_fields,
    "state-timeline": _timeline_fields,
    "table": _table_fields,
    "timeseries": _graph_fields,
}
