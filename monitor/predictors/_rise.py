"""How far a signal has risen since memorization: its reference window and its hold window.

Private to the predictors that follow one signal against its own past. Bounded, and every entry is
dated, so that a rewind can forget what came after it.
"""

import math
from statistics import median

import msgspec

_MAX_SAMPLES = 32
_LEAST_NEEDED = 1e-9


class Rise(msgspec.Struct, frozen=True, kw_only=True):
    """How far one kind of sparsity must rise.

    Attributes:
        keys: signals that can be read, best first; the first one present is followed.
        baseline_from: start of the reference window, in memorization steps.
        baseline_to: its end; judging begins after it.
        factor: the excess must reach this multiple of the reference, ...
        offset: ... and be this much above it at the end of the reference window, ...
        offset_per_decade: ... and this much more for each tenfold of steps since: any decay lets
            sparsity drift a little in logarithmic time, and a circuit outruns that drift.
        norm_fall: share by which the weight norm must be below its reference too, where it is
            measured; 0 asks nothing of it.
    """

    keys: tuple[str, ...]
    baseline_from: float = 1.0
    baseline_to: float = 2.0
    factor: float = 1.0
    offset: float = 0.0
    offset_per_decade: float = 0.0
    norm_fall: float = 0.0

    def part(self, newest: "Sample", baseline: "Sample") -> float:
        """How much of what is asked for has happened, 0 none to 1 all, by the worse condition."""
        decades = math.log10(max(newest.step, 1) / max(baseline.step, 1))
        offset = self.offset + self.offset_per_decade * max(decades, 0.0)
        needed = max((self.factor - 1) * baseline.excess, offset, _LEAST_NEEDED)
        part = (newest.excess - baseline.excess) / needed
        fall = newest.norm_fall(baseline) if self.norm_fall > 0 else None
        return part if fall is None else min(part, fall / self.norm_fall)


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """A reading of the signal's excess and of the weight norm (NaN where it was not measured)."""

    step: int
    excess: float
    norm: float

    def norm_fall(self, baseline: "Sample") -> float | None:
        """Share by which the norm is below that of `baseline`, or None where either is unknown."""
        if not (math.isfinite(self.norm) and math.isfinite(baseline.norm) and baseline.norm > 0):
            return None
        return 1 - self.norm / baseline.norm


class Span(msgspec.Struct, forbid_unknown_fields=True):
    """The least part of a rise between two steps."""

    first: int
    last: int
    part: float


class RiseWindow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is remembered of one signal.

    Attributes:
        samples: readings of the reference window, thinned to at most 32.
        stride: how many readings one sample stands for.
        skipped: readings since the last sample.
        baseline: the reference, dated by the step at which its window was over.
        newest: the last reading.
        spans: the hold window, oldest first.
    """

    samples: list[Sample] = msgspec.field(default_factory=list)
    stride: int = 1
    skipped: int = 0
    baseline: Sample | None = None
    newest: Sample | None = None
    spans: list[Span] = msgspec.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered that a reading of another signal would contradict."""
        return not self.samples and self.baseline is None

    def forget_from(self, step: int) -> None:
        """Drop what was seen at `step` or later."""
        self.samples = [sample for sample in self.samples if sample.step < step]
        self.spans = [span for span in self.spans if span.last < step]
        if self.baseline is not None and self.baseline.step >= step:
            self.baseline = None
        if self.newest is not None and self.newest.step >= step:
            self.newest = None

    def read(self, reading: Sample, rise: Rise, train_step: int | None) -> None:
        """Take a reading into the reference window or, once that is over, close it.

        Args:
            reading: the next one.
            rise: where the reference window begins and ends.
            train_step: the memorization step; None while it is not sure.
        """
        self.newest = reading
        if self.baseline is not None:
            return
        if train_step is None or reading.step <= rise.baseline_to * train_step:
            self._sample(reading)
            return
        first, last = rise.baseline_from * train_step, rise.baseline_to * train_step
        window = [s for s in self.samples if first <= s.step <= last] or [reading]
        norms = [sample.norm for sample in window if math.isfinite(sample.norm)]
        excess = median(sample.excess for sample in window)
        norm = median(norms) if norms else math.nan
        self.baseline = Sample(step=reading.step, excess=excess, norm=norm)

    def hold(self, step: int, part: float, *, num_spans: int, fraction: float) -> None:
        """Take a part of a rise into the hold window.

        A span is at least `fraction / (num_spans - 1)` of the step long; observations that come
        faster share one, so that the window covers `fraction` of the step at any cadence.
        """
        spacing = fraction / max(num_spans - 1, 1)
        newest = self.spans[-1] if self.spans else None
        if newest is not None and step - newest.first < spacing * newest.first:
            newest.last, newest.part = step, min(newest.part, part)
            return
        self.spans.append(Span(first=step, last=step, part=part))
        del self.spans[:-num_spans]

    def _sample(self, reading: Sample) -> None:
        """Keep every `stride`-th reading; double the stride when there are too many."""
        self.skipped += 1
        if self.samples and self.skipped < self.stride:
            return
        self.skipped = 0
        self.samples.append(reading)
        if len(self.samples) > _MAX_SAMPLES:
            self.samples = self.samples[::2]
            self.stride *= 2
