"""What is shown of runs and alerts: the answers of the reader, the API and the pages."""

import msgspec

from grokwatch.monitor.records import AnyRecord, HyperParameter, SignalInfo, SkippedSignal

DELIVERY_STATUSES = ("pending", "repeating", "delivered", "dead", "superseded")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is shown."""


class RunRow(View, frozen=True, kw_only=True):
    """A run as the list shows it; None where nothing is known yet.

    `source` is `push`, or the target of the source that found it; `status` is `running`, or as the
    newest attempt ended: `finished`, `failed`, `interrupted`. `reason` says why it cannot tell yet.
    `eta_low` and `eta_high` are steps from `step`. `revision` grows with every commit that touches
    the run. Times are seconds since the epoch by the service's clock. `alerts` are codes that fire.
    """

    run_id: str
    name: str
    source: str
    group: str | None
    attempt: int
    status: str
    stage: str | None
    probability: float | None
    rise_probability: float | None
    eta_low: int | None
    eta_high: int | None
    reason: str | None
    step: int | None
    train_loss: float | None
    train_accuracy: float | None
    test_accuracy: float | None
    budget_steps: int | None
    started: float
    seen: float
    num_observations: int
    num_late: int
    revision: int
    alerts: tuple[str, ...] = ()
    link: str | None = None


class RunDetail(View, frozen=True, kw_only=True):
    """A run, and what its newest start said."""

    run: RunRow
    hyper_parameters: dict[str, HyperParameter]
    signals: tuple[SignalInfo, ...]
    skipped: tuple[SkippedSignal, ...]
    guesses: tuple[str, ...]
    versions: dict[str, str]
    keys: tuple[str, ...]
    message: str = ""


class RunQuery(View, frozen=True, kw_only=True):
    """Which runs, in which order.

    `text` is looked for in name and id; `sort` is a field of `RunRow` among `SORTS`.
    """

    text: str = ""
    status: str | None = None
    stage: str | None = None
    alert: str | None = None
    sort: str = "seen"
    is_descending: bool = True
    limit: int = 50
    offset: int = 0


SORTS = ("seen", "started", "name", "step", "probability", "rise_probability", "stage", "status")


class RunPage(View, frozen=True, kw_only=True):
    """Some of the runs that were asked for, and how many there are."""

    runs: tuple[RunRow, ...]
    total: int
    offset: int


class Series(View, frozen=True, kw_only=True):
    """Values over steps, ascending; of a step seen in several attempts the newest.

    `values` maps a key to as many values as there are steps, None where it has none there. The keys
    beside those of `Observation.values`: `train_loss`, `train_accuracy`, `test_loss`,
    `test_accuracy`, `probability`, `rise_probability`. Where there are more points than asked for,
    the lowest and the highest of each stretch are kept; `num_points` is how many there were.
    """

    steps: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]]
    num_points: int


class Delivery(View, frozen=True, kw_only=True):
    """How it stands with one message to one hook.

    `status` is `pending`, `delivered`, `dead` (given up), or `superseded` (a repeated one that the
    alert's next state ended); `due` is when it is tried next.
    """

    id: int
    hook: str
    state: str
    status: str
    attempts: int
    due: float
    error: str | None
    delivered: float | None


class AlertRow(View, frozen=True, kw_only=True):
    """An alert as it stands now.

    `states` are those it has been in, with their steps. `time` is by the trainer's clock, `created`
    by the service's.
    """

    id: str
    run_id: str
    name: str
    code: str
    episode: int
    severity: str
    state: str
    step: int
    time: float
    created: float = 0.0
    message: str
    spared: bool
    probability: float | None
    states: tuple[tuple[str, int], ...] = ()
    deliveries: tuple[Delivery, ...] = ()


class AlertPage(View, frozen=True, kw_only=True):
    """Some of the alerts, the newest first, and how many there are."""

    alerts: tuple[AlertRow, ...]
    total: int
    offset: int


class Totals(View, frozen=True, kw_only=True):
    """What the store holds, for self-metrics.

    `runs` by status, `stages` of running runs, `firing` alerts by code, `deliveries` by status.
    """

    runs: dict[str, int]
    stages: dict[str, int]
    firing: dict[str, int]
    deliveries: dict[str, int]
    num_observations: int
    num_late: int
    last_seen: float | None


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records of one run as they are pushed, in order.

    `after` is the `seq` of the record that was pushed before these in the same stream, 0 at its
    beginning; without it the order of arrival is taken for the order of the run. Records that the
    service ignores (see `Receipt`) do not count here: nobody would ever see them arrive.
    """

    records: tuple[AnyRecord, ...]
    after: int | None = None


class Receipt(View, frozen=True, kw_only=True):
    """What became of a batch: everything in it is stored now, once.

    `seq` is the highest stored one of the run's newest attempt; `late` were stored and not judged;
    `held` wait for records between; `ignored` are records that the service makes itself
    (assessments and alerts) or does not keep (weight frames).
    """

    stored: int
    duplicates: int
    late: int
    held: int
    ignored: int
    seq: int
