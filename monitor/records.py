"""The nouns: every fact grokwatch keeps.

Records are frozen and tagged; the same types are the journal's (MessagePack) and the HTTP API's
(JSON). An `Observation` carries train-side values only. Test metrics travel as `Evaluation`, which
no train-side predictor accepts, so leakage is a type error (ADR-0003).

This file imports neither torch nor numpy: the judging half of grokwatch runs without them.
"""

import hashlib
from functools import lru_cache
from typing import TypeAlias

import msgspec

from grokwatch.monitor.vocabulary import AlertCode, AlertState, Phase, RunStatus, Severity, Stage

HyperParameter: TypeAlias = bool | int | float | str | None

TRAIN_SIDE = "train"
"""Access class of what is read off the model in training and its train data alone."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a record."""


class SignalInfo(_Part, frozen=True, kw_only=True):
    """A signal as the torch-free half knows it: what one key of `Observation.values` means.

    `access` says what the signal sees: `train`, `unlabelled`, `solution` or `held-out`. A predictor
    of the train side is shown values of `train` only (ADR-0011).
    """

    name: str
    unit: str
    summary: str
    access: str = TRAIN_SIDE


@lru_cache(maxsize=4096)
def signal_of(key: str) -> str:
    """Name of the signal that a key `name[.part][@role]` of `Observation.values` belongs to.

    Example:
        >>> signal_of("fourier_entropy.excess@embedding")
        'fourier_entropy'
    """
    return key.partition("@")[0].partition(".")[0]


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


class Concern(_Part, frozen=True, kw_only=True):
    """What a predictor sees beside its chances, as of one observation: a code, and why.

    Only codes that a predictor can see from the train side are named: COLLAPSE and
    NUMERICALLY_STUCK. The alert policy waits for it to last before it warns.
    """

    code: AlertCode
    reason: str


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

    Exactly one of `chances` and `reason` says something; `chances` are by ascending horizon, of one
    or of five, and the middle one is the standard: within ten times the steps since memorization.
    `rising`, by the same horizons, are the chances that test accuracy leaves its plateau, however
    far it comes then; a predictor that does not tell this apart gives none. `concerns` may come
    with either. `step` and `time` are those of the observation behind it; `predictor` is
    `name@version`.
    """

    step: int
    time: float
    predictor: str
    stage: Stage
    chances: tuple[Chance, ...] = ()
    rising: tuple[Chance, ...] = ()
    reason: str | None = None
    eta_steps: Interval | None = None
    evidence: tuple[Evidence, ...] = ()
    concerns: tuple[Concern, ...] = ()

    @property
    def standard(self) -> Chance | None:
        """The chance at the standard horizon, or None where it cannot tell."""
        return _middle(self.chances)

    @property
    def rise(self) -> Chance | None:
        """The chance that GRK001 looks at: of rising where that is told apart, else `standard`."""
        return _middle(self.rising or self.chances)

    @property
    def probability(self) -> float | None:
        """Probability at the standard horizon, or None where it cannot tell."""
        return None if self.standard is None else self.standard.probability

    @property
    def rise_probability(self) -> float | None:
        """Probability of `rise`, or None where it cannot tell."""
        return None if self.rise is None else self.rise.probability


def _middle(chances: tuple[Chance, ...]) -> Chance | None:
    return chances[len(chances) // 2] if chances else None


class Alert(Record, frozen=True, kw_only=True, tag="alert"):
    """An alarm that passed the policy, in one state of its life.

    `id` is the same in every state and after every rewind; `episode` counts the firings of one code
    in a run. `spared` asks programs that would stop the run to let it go on: it belongs to the
    share of runs by which the live precision of GRK002 is measured.
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
    spared: bool = False


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
