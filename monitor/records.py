"""The nouns: every fact grokwatch keeps, and the protocols of those who make and take them.

Records are frozen and tagged; the same types are the journal's (MessagePack) and the HTTP API's
(JSON). An `Observation` carries train-side values only. Test metrics travel as `Evaluation`, which
no train-side predictor accepts, so leakage is a type error (ADR-0003).

This file imports neither torch nor numpy: the judging half of grokwatch runs without them.
"""

import enum
import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

HyperParameter: TypeAlias = bool | int | float | str | None


class Stage(enum.Enum):
    """Where in time a run is (after Nanda et al. 2023). May go backwards.

    The value is what is stored; `sentence` is what a person reads.
    """

    FITTING = "fitting"
    PLATEAU = "plateau"
    CIRCUIT_FORMATION = "circuit_formation"
    CLEANUP = "cleanup"
    GENERALIZED = "generalized"

    @property
    def sentence(self) -> str:
        """What this stage means, for a person."""
        return _STAGE_SENTENCES[self]


_STAGE_SENTENCES = {
    Stage.FITTING: "still fitting the training data",
    Stage.PLATEAU: "memorised; no sign of structure yet",
    Stage.CIRCUIT_FORMATION: "memorised; structure is forming in the weights",
    Stage.CLEANUP: "structure dominates; the memorising weights are being removed",
    Stage.GENERALIZED: "generalised, as its evaluations show",
}


class Phase(enum.Enum):
    """What kind of run it was, by accuracy within the steps trained (after Liu et al. 2022)."""

    COMPREHENSION = "comprehension"
    GROKKING = "grokking"
    MEMORIZATION = "memorization"
    PARTIAL = "partial"
    CONFUSION = "confusion"

    @property
    def sentence(self) -> str:
        """What this phase means, for a person."""
        return _PHASE_SENTENCES[self]


_PHASE_SENTENCES = {
    Phase.COMPREHENSION: "generalised about when it memorised",
    Phase.GROKKING: "generalised long after it memorised",
    Phase.MEMORIZATION: "memorised and did not generalise within the steps trained",
    Phase.PARTIAL: "memorised and generalised in part within the steps trained",
    Phase.CONFUSION: "did not even memorise within the steps trained",
}


class AlertCode(enum.Enum):
    """Stable codes of what an alert can say."""

    LIKELY_GROKKING = "GRK001"
    WILL_NOT_GROK = "GRK002"
    COLLAPSE = "GRK003"
    NUMERICALLY_STUCK = "GRK004"

    @property
    def sentence(self) -> str:
        """What this code means, for a person."""
        return _CODE_SENTENCES[self]


_CODE_SENTENCES = {
    AlertCode.LIKELY_GROKKING: "likely to generalise if training goes on",
    AlertCode.WILL_NOT_GROK: "unlikely to generalise within the budget",
    AlertCode.COLLAPSE: "generalisation is collapsing",
    AlertCode.NUMERICALLY_STUCK: "learning has stalled for numerical reasons",
}


class Severity(enum.Enum):
    """How loudly an alert speaks, from quiet to loud."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(enum.Enum):
    """The life of an alert: FIRING, then one of the other three."""

    FIRING = "firing"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    CLEARED = "cleared"


class RunStatus(enum.Enum):
    """How an attempt ended."""

    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a record."""


class SignalInfo(_Part, frozen=True, kw_only=True):
    """A signal as the torch-free half knows it: what one key of `Observation.values` means."""

    name: str
    unit: str
    summary: str


class SkippedSignal(_Part, frozen=True, kw_only=True):
    """A signal that this run cannot compute, why, and the line that would enable it."""

    name: str
    reason: str
    remedy: str


class Chance(_Part, frozen=True, kw_only=True):
    """Probability, in [0, 1], of grokking within `horizon_steps` from now."""

    horizon_steps: int
    probability: float


class Interval(_Part, frozen=True, kw_only=True):
    """A closed interval of steps from now; `high` is None where no upper end can be given."""

    low: int
    high: int | None


class Evidence(_Part, frozen=True, kw_only=True):
    """How much a signal spoke for (> 0) or against (< 0) grokking in one assessment."""

    signal: str
    contribution: float


class Record(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"
):
    """What every record carries.

    `run_id` names the run for ever. `attempt` counts its trainings: a resume or rewind opens the
    next.
    `seq` numbers all records of the run from 1; it is 0 until the dispatcher numbers the record.
    """

    run_id: str
    attempt: int = 1
    seq: int = 0


class RunStarted(Record, frozen=True, kw_only=True, tag="run_started"):
    """An attempt began: what will be measured, what cannot be, and what was guessed."""

    time: float
    name: str = ""
    signals: tuple[SignalInfo, ...] = ()
    skipped: tuple[SkippedSignal, ...] = ()
    guesses: tuple[str, ...] = ()
    hyper_parameters: dict[str, HyperParameter] = {}
    budget_steps: int | None = None
    group: str | None = None
    versions: dict[str, str] = {}


class Observation(Record, frozen=True, kw_only=True, tag="observation"):
    """Train-side floats at one step.

    `step` counts optimizer updates. `train_accuracy` is a fraction in [0, 1], measured in eval mode
    on a fixed train probe. `values` maps a signal key `name[.part][@role]` to its value; `errors`
    maps a signal's name to why it has no value here; `cadence` maps a signal's name to the steps
    between its values; `cost_seconds` is what this observation took from training.
    """

    step: int
    time: float
    train_loss: float
    train_accuracy: float | None = None
    values: dict[str, float] = {}
    errors: dict[str, str] = {}
    cadence: dict[str, int] = {}
    cost_seconds: float = 0.0


class Evaluation(Record, frozen=True, kw_only=True, tag="evaluation"):
    """Test-side floats at one step, accuracy in [0, 1]; never reaches a train-side predictor."""

    step: int
    time: float
    test_loss: float | None = None
    test_accuracy: float | None = None


class Assessment(Record, frozen=True, kw_only=True, tag="assessment"):
    """One judgement: chances of grokking, or the reason why it cannot tell yet.

    Exactly one of `chances` and `reason` says something. `step` and `time` are those of the
    observation behind it; `predictor` is `name@version`.
    """

    step: int
    time: float
    predictor: str
    stage: Stage
    chances: tuple[Chance, ...] = ()
    reason: str | None = None
    eta_steps: Interval | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def probability(self) -> float | None:
        """Probability at the longest horizon, or None where it cannot tell."""
        return self.chances[-1].probability if self.chances else None


class Alert(Record, frozen=True, kw_only=True, tag="alert"):
    """An alarm that passed the policy, in one state of its life.

    `id` is the same in every state and after every rewind; `episode` counts the firings of one code
    in a run.
    """

    id: str
    code: AlertCode
    episode: int
    severity: Severity
    state: AlertState
    step: int
    time: float
    message: str
    assessment: Assessment | None = None


class WeightFrame(Record, frozen=True, kw_only=True, tag="weight_frame"):
    """One weight matrix at one step: row-major little-endian float32 bytes of the given shape."""

    step: int
    role: str
    shape: tuple[int, ...]
    data: bytes


class RunEnded(Record, frozen=True, kw_only=True, tag="run_ended"):
    """An attempt ended at `step`; `message` says why where it did not finish."""

    step: int
    time: float
    status: RunStatus
    message: str = ""


AnyRecord: TypeAlias = (
    RunStarted | Observation | Evaluation | Assessment | Alert | WeightFrame | RunEnded
)


class Outcome(_Part, frozen=True, kw_only=True):
    """The label of a run, made only by `monitor/labels.py` (definitions there).

    Steps are None where the event was not seen by `censored_at`, the last step trained.
    """

    train_step: int | None
    onset_step: int | None
    midpoint_step: int | None
    grokking_step: int | None
    phase: Phase
    collapse: bool
    relapse: bool
    censored_at: int


def alert_id(run_id: str, code: AlertCode, episode: int) -> str:
    """Name an alert for ever: the first 32 hexadecimal digits of SHA-256(run_id, code, episode).

    The attempt is left out, so that a rewind does not announce the same crossing again.

    Example:
        >>> code = AlertCode.LIKELY_GROKKING
        >>> alert_id("a", code, 1) == alert_id("a", code, 1)
        True
    """
    text = f"{run_id}|{code.value}|{episode}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Predictor(Protocol):
    """Judges a run from train-side observations alone, one at a time.

    Pure in its input: the same observations give the same assessments, bit for bit, also across
    `state` and `restore`. A missing signal must not crash it.
    """

    def update(self, observation: Observation, /) -> Assessment:
        """Take the next observation and judge."""
        ...

    def state(self) -> bytes:
        """Everything it remembers, as bytes without pickled classes."""
        ...

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        ...


class HeldOutPredictor(Protocol):
    """Judges with test metrics in view: the upper-bound baselines, and products labelled so."""

    def update(self, record: Observation | Evaluation, /) -> Assessment:
        """Take the next observation or evaluation and judge."""
        ...

    def state(self) -> bytes:
        """Everything it remembers, as bytes without pickled classes."""
        ...

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        ...


class Sink(Protocol):
    """Takes records to where people look. Fed from the journal, in order, at least once.

    `write` either takes all records or raises `SinkError`; the same records may then come again.
    `live` sinks show the present only: they are not caught up later from the journal.
    """

    live: bool

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Take records, or raise `SinkError`."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class AlertHook(Protocol):
    """Carries one alert to people or programs; raises `HookError` where it could not."""

    def fire(self, alert: Alert, /) -> None:
        """Deliver the alert, or raise `HookError`."""
        ...
