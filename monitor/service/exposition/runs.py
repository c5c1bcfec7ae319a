"""Series of the most active runs, under the names that the training side gives them.

What does not change between scrapes - names, labels, units - is written once for each run and kept
while it is among them. So is its label, though another run of its name may come or go.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from grokwatch.monitor.service.exposition.families import Families, Signals
from grokwatch.monitor.service.exposition.text import labelled, written
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.views import RunRow
from grokwatch.monitor.sinks.names import label_value
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.vocabulary import AlertCode, Stage

MOST_SERIES = 10_000

_ALERT_FIRING = "grokwatch_alert_firing"
_ROW_ONLY = frozenset(
    {"step", "stage", "eta_low_steps", "eta_high_steps", "last_observation_age_seconds"}
)
_CODES = tuple(code.value for code in AlertCode)


@dataclass
class ShownRun:
    """A run as it is shown: what was written once.

    Attributes:
        attempt: whose names these are.
        run: value of the label `run`.
        task: value of the label `task`.
        signals: what the run said of them.
        places: a value's key -> its metric's lines and what stands before it; None: not shown.
        codes: an alert's code -> what stands before its value.
        names: metrics that a value has already.
    """

    attempt: int
    run: str
    task: str
    signals: Signals
    places: dict[str, tuple[Callable[[str], None], str] | None] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def place(self, key: str, families: Families) -> None:
        """Find where a value goes; the first of two that come to one name is shown."""
        family = families.of_key(key, self.signals)
        if family is None or family.name in self.names:
            self.places[key] = None
            return
        self.names.add(family.name)
        prefix = labelled(family.name, {"run": self.run, "task": self.task})
        self.places[key] = (family.add, prefix)

    def write(self, values: Mapping[str, float], families: Families) -> None:
        """Add its values to their metrics."""
        places = self.places
        for key, value in values.items():
            if key not in places:
                self.place(key, families)
            place = places[key]
            if place is not None:
                add, prefix = place
                # The loop that a scrape spends its time in: a finite number is nothing less itself.
                add(prefix + (repr(value) if value - value == 0 else written(value)))

    def write_alerts(self, firing: tuple[str, ...], families: Families) -> None:
        """Add whether alerts fire, by code."""
        add = families.of_metric(_ALERT_FIRING).add
        if not self.codes:
            labels = {"run": self.run, "task": self.task}
            self.codes = {c: labelled(_ALERT_FIRING, {**labels, "code": c}) for c in _CODES}
        for code, prefix in self.codes.items():
            add(f"{prefix}{int(code in firing)}")


class RunSeries:
    """Writes the newest values of the most active runs.

    Args:
        reader: who knows them.
        top: how many runs.
        most: series at once; runs that do not fit are left out and counted.

    Attributes:
        num_truncated: values left out so far.
    """

    def __init__(self, reader: Reader, *, top: int, most: int = MOST_SERIES) -> None:
        self._reader = reader
        self._top = top
        self._most = most
        self._shown: dict[str, ShownRun] = {}
        self._labels: set[str] = set()
        self._families = Families()
        self.num_truncated = 0

    def text(self, now: float) -> str:
        """Write them.

        Args:
            now: seconds since 1970.

        Returns:
            Lines, each metric announced once.
        """
        rows = self._reader.top(self._top) if self._top else ()
        newest = self._reader.newest([row.run_id for row in rows])
        self._forget(rows)
        room = self._most
        for row in rows:
            values = _merged(_own_values(row, now), newest.get(row.run_id, {}))
            size = len(values) + len(_CODES)
            if size > room:
                self.num_truncated += size
                continue
            room -= size
            shown = self._known(row)
            shown.write(values, self._families)
            shown.write_alerts(row.alerts, self._families)
        return self._families.text()

    def _forget(self, rows: tuple[RunRow, ...]) -> None:
        """Keep what is known of these runs, and nothing else."""
        if self._families.is_full:
            self._families = Families()
            for shown in self._shown.values():
                shown.places.clear()
                shown.names.clear()
        present = {row.run_id for row in rows}
        self._shown = {key: shown for key, shown in self._shown.items() if key in present}
        self._labels = {shown.run for shown in self._shown.values()}

    def _known(self, row: RunRow) -> ShownRun:
        known = self._shown.get(row.run_id)
        if known is None or known.attempt != row.attempt:
            known = self._shown[row.run_id] = self._introduced(row, known)
            self._labels.add(known.run)
        return known

    def _introduced(self, row: RunRow, known: ShownRun | None) -> ShownRun:
        detail = self._reader.run(row.run_id)
        parameters = detail.hyper_parameters if detail else {}
        return ShownRun(
            attempt=row.attempt,
            run=known.run if known else next(self._free_labels(row)),
            task=str(parameters.get("task") or row.group or ""),
            signals=detail.signals if detail else (),
        )

    def _free_labels(self, row: RunRow) -> Iterator[str]:
        names = (row.name or row.run_id, f"{row.run_id[:8]} {row.name}", row.run_id)
        yield from (label for label in map(label_value, names) if label not in self._labels)
        yield label_value(f"{row.run_id[:100]} {len(self._labels)}")


def _merged(own: dict[str, float], newest: Mapping[str, float]) -> dict[str, float]:
    """Values of a run; a signal that is called as the row's own is not shown."""
    merged = {**newest, **own}
    for key in _ROW_ONLY - own.keys():
        merged.pop(key, None)
    return merged


def _own_values(row: RunRow, now: float) -> dict[str, float]:
    """What the row says of a run, by the keys of values that every run has."""
    stage = None if row.stage is None else stage_number(Stage(row.stage))
    values = {
        "step": row.step,
        "train_loss": row.train_loss,
        "train_accuracy": row.train_accuracy,
        "test_accuracy": row.test_accuracy,
        "probability": row.probability,
        "rise_probability": row.rise_probability,
        "eta_low_steps": row.eta_low,
        "eta_high_steps": row.eta_high,
        "stage": stage,
        "last_observation_age_seconds": max(0.0, now - row.seen),
    }
    return {key: value for key, value in values.items() if value is not None}
