"""What an MLflow server says of experiments, runs and metrics, as far as we read it."""

import zlib
from struct import pack
from typing import Annotated

import msgspec

_INFINITE = 1.79e308

_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, or a part of one; what we do not read may be in it too."""


class Point(Answer, frozen=True, kw_only=True):
    """A value of a metric; `timestamp` is in milliseconds."""

    key: str = ""
    value: float = 0.0
    timestamp: _Whole = 0
    step: _Whole = 0

    @property
    def number(self) -> float:
        """The value; MLflow's stores keep an infinity as the largest float."""
        if abs(self.value) < _INFINITE or self.value != self.value:  # NaN is no other than itself
            return self.value
        return float("inf") if self.value > 0 else float("-inf")

    @property
    def mark(self) -> int:
        """Tells this point from others of its page."""
        return zlib.crc32(pack("<qqd", self.step, self.timestamp, self.value))


class Text(Answer, frozen=True, kw_only=True):
    """A parameter or a tag."""

    key: str = ""
    value: str = ""


class RunInfo(Answer, frozen=True, kw_only=True):
    """Who a run is; times are in milliseconds, 0 where there is none."""

    run_id: str
    run_name: str = ""
    experiment_id: str = ""
    status: str = "RUNNING"
    start_time: _Whole = 0
    end_time: _Whole = 0
    lifecycle_stage: str = "active"


class RunData(Answer, frozen=True, kw_only=True):
    """The newest point of each metric of a run, its parameters and tags."""

    metrics: tuple[Point, ...] = ()
    params: tuple[Text, ...] = ()
    tags: tuple[Text, ...] = ()


class Run(Answer, frozen=True, kw_only=True):
    """A run as a listing shows it."""

    info: RunInfo
    data: RunData = RunData()


class Found(Answer, frozen=True, kw_only=True):
    """A run that was asked for."""

    run: Run


class Runs(Answer, frozen=True, kw_only=True):
    """A page of runs."""

    runs: tuple[Run, ...] = ()
    next_page_token: str = ""


class History(Answer, frozen=True, kw_only=True):
    """A page of a metric's history, in the order of timestamps."""

    metrics: tuple[Point, ...] = ()
    next_page_token: str = ""


class Experiment(Answer, frozen=True, kw_only=True):
    """An experiment."""

    experiment_id: str


class Named(Answer, frozen=True, kw_only=True):
    """An experiment that was asked for."""

    experiment: Experiment


class Experiments(Answer, frozen=True, kw_only=True):
    """A page of experiments."""

    experiments: tuple[Experiment, ...] = ()
    next_page_token: str = ""
