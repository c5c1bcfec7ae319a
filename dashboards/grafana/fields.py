"""How values look: units, thresholds, words in place of numbers, colors of series."""

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard

from dashboards.grafana.colors import NEUTRAL, of_words
from dashboards.grafana.entries import Entry, Query, Step, Thresholds, Word, Words

RUN_LINKS = (
    (
        "Open the run",
        "/d/grokwatch-run?var-task=${__data.fields.task:percentencode}"
        "&var-run=${__data.fields.run:percentencode}&${__url_time_range}",
    ),
    ("Find it on grokwatch's page", "${service_url}/?text=${__data.fields.run:percentencode}"),
)
"""Where a run's name in a table leads to."""

ROLES = (
    ("_input$", [8, 6]),
    ("_output$", [2, 4]),
    ("_embedding$", [20, 4]),
    ("_unembedding$", [12, 4, 2, 4]),
)
"""Which weights a value was read from is told by dashes; what is of all weights has none."""

NAME_WIDTH = 240

COLORED_WORDS = ("bargauge", "stat", "table")
"""Kinds whose colors are those of words and numbers."""


def reference(index: int) -> str:
    """Name a query within its panel: A, B, C.

    Example:
        >>> reference(0), reference(2)
        ('A', 'C')
    """
    return chr(ord("A") + index)


def thresholds(steps: Thresholds) -> dashboard.ThresholdsConfig:
    """Where colors change."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=step.value, color=step.color) for step in steps],
    )


def mappings(words: Words) -> list[dashboard.ValueMapping]:
    """What is shown in place of values."""
    options = {
        word.value: dashboard.ValueMappingResult(text=word.text, color=word.color, index=index)
        for index, word in enumerate(words)
    }
    return [dashboard.ValueMap(options=options)] if options else []


def defaults(entry: Entry, custom: object) -> dashboard.FieldConfig:
    """What holds for every series of a panel, unless it is overridden."""
    is_worded = entry.kind in COLORED_WORDS
    return dashboard.FieldConfig(
        unit=entry.unit,
        min_val=entry.least,
        max_val=entry.most,
        no_value=entry.if_empty,
        mappings=mappings(_worded(entry.words) if is_worded else entry.words),
        thresholds=thresholds(_stepped(entry.thresholds) if is_worded else entry.thresholds),
        color=_color(entry),
        custom=custom,
    )


def _stepped(steps: Thresholds) -> Thresholds:
    return tuple(Step(step.value, of_words(step.color)) for step in steps)


def _worded(words: Words) -> Words:
    return tuple(
        Word(word.value, word.text, None if word.color is None else of_words(word.color))
        for word in words
    )


def _color(entry: Entry) -> dashboard.FieldColor:
    """A timeline whose states are words names them in its legend only if no threshold colors it."""
    has_words = bool(entry.words) or any(query.words for query in entry.queries)
    if entry.kind == "state-timeline" and has_words:
        return dashboard.FieldColor(mode=dashboard.FieldColorModeId.FIXED, fixed_color=NEUTRAL)
    return dashboard.FieldColor(
        mode=dashboard.FieldColorModeId.THRESHOLDS, series_by=dashboard.FieldColorSeriesByMode.LAST
    )


def overrides(entry: Entry) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    """What holds for one query's series, or for one column of a table."""
    if entry.kind == "table":
        return [*_columns(entry), _override("byName", "run", _linked())]
    of_queries = [
        _override("byFrameRefID", reference(index), list(_series(query)))
        for index, query in enumerate(entry.queries)
        if query.color is not None or query.has_many or query.words
    ]
    return [*of_queries, *_roles(entry)]


def _roles(entry: Entry) -> Iterator[dashboard.DashboardFieldConfigSourceOverrides]:
    if any(query.legend == "{{signal}}" for query in entry.queries):
        for pattern, dash in ROLES:
            style = [("custom.lineStyle", {"fill": "dash", "dash": dash})]
            yield _override("byRegexp", f"/{pattern}/", list[tuple[str, object]](style))


def _columns(entry: Entry) -> Iterator[dashboard.DashboardFieldConfigSourceOverrides]:
    for query in entry.queries:
        given: list[tuple[str, object]] = []
        if query.unit is not None:
            given.append(("unit", query.unit))
        if query.words or query.thresholds:
            given.append(("mappings", [*mappings(_worded(query.words)), _nothing()]))
        if query.thresholds:
            given.append(("thresholds", thresholds(_stepped(query.thresholds))))
        if query.words or query.thresholds:
            given.append(("custom.cellOptions", {"type": "color-text"}))
        if given:
            yield _override("byName", query.legend, given)


def _nothing() -> dashboard.ValueMapping:
    """What a cell without a value shows: Grafana would color it as the lowest of values."""
    result = dashboard.ValueMappingResult(text="no data", color=NEUTRAL)
    options = dashboard.DashboardSpecialValueMapOptions(
        match=dashboard.SpecialValueMatch.NULL_AND_NAN, result=result
    )
    return dashboard.SpecialValueMap(options=options)


def _series(query: Query) -> Iterator[tuple[str, object]]:
    if query.color is not None:
        mode = "shades" if query.has_many else "fixed"
        yield "color", {"mode": mode, "fixedColor": query.color}
    elif query.has_many:
        yield "color", {"mode": dashboard.FieldColorModeId.PALETTE_CLASSIC}
    if query.words:
        yield "mappings", mappings(query.words)
    if query.fills_to is not None:
        yield "custom.fillBelowTo", query.fills_to
        yield "custom.fillOpacity", 20


def _linked() -> list[tuple[str, object]]:
    links = [{"title": title, "url": url, "targetBlank": False} for title, url in RUN_LINKS]
    return [("links", links), ("custom.width", NAME_WIDTH)]


def _override(
    matcher: str, chosen: str, properties: list[tuple[str, object]]
) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val=matcher, options=chosen),
        properties=[
            dashboard.DynamicConfigValue(id_val=key, value=value) for key, value in properties
        ],
    )
