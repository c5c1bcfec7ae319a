"""The closed vocabularies of records: stages, phases, codes, severities and states.

The value of each word is what is stored; where there is a `sentence`, it is what a person reads.
"""

import enum


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
