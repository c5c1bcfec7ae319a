"""Who takes part in a table: contestants by the target of the scheme, and the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grokwatch.experiments.validation.baselines import baselines
from grokwatch.experiments.validation.problems import Labels, chosen
from grokwatch.experiments.validation.splits import Contestant, Scheme
from grokwatch.experiments.validation.trace import Trace

EVERY_FAMILY = "all"


@dataclass(frozen=True)
class Entry:
    """One row's traces.

    Attributes:
        name: in tables.
        access: `train`, or `held-out` for upper bounds.
        fitted: on runs that may be fitted on, in one order for all entries.
        judged: on runs to be judged, in one order for all entries.
        is_baseline: whether it is no streaming predictor.
    """

    name: str
    access: str
    fitted: list[Trace]
    judged: list[Trace]
    is_baseline: bool = False

    def of_family(self, family: str) -> "Entry":
        """The runs of one family; those fitted on stay together where none of them is of it."""
        if family == EVERY_FAMILY:
            return self
        own = chosen(self.fitted, lambda facts: facts.family == family) or self.fitted
        judged = chosen(self.judged, lambda facts: facts.family == family)
        return Entry(self.name, self.access, own, judged, self.is_baseline)

    def of_real_labels(self) -> "Entry":
        """Without runs that have nothing to learn."""
        fitted = chosen(self.fitted, lambda facts: not facts.random_labels)
        judged = chosen(self.judged, lambda facts: not facts.random_labels)
        return Entry(self.name, self.access, fitted, judged, self.is_baseline)


def entries(
    scheme: Scheme,
    contestants: Sequence[Contestant],
    traces: Mapping[str, Sequence[Trace]],
    *,
    labels: Labels | None = None,
) -> list[Entry]:
    """All rows of a scheme, contestants first; those that were not fitted for it are left out.

    Args:
        scheme: how runs are split.
        contestants: in order.
        traces: target -> traces, of the same runs in the same order.
        labels: run id -> outcome, in place of the truth.
    """
    found = []
    for each in contestants:
        target = each.target(scheme.name)
        if target is not None:
            own = traces[target]
            fits, judged = chosen(own, scheme.fits), chosen(own, scheme.judges)
            found.append(Entry(each.name, "train", fits, judged))
    any_traces = next(iter(traces.values()))
    fits, judged = chosen(any_traces, scheme.fits), chosen(any_traces, scheme.judges)
    for name, fitted in baselines(fits, judged, labels=labels).items():
        access = next((trace.access for trace in fitted.judged), "train")
        found.append(Entry(name, access, fitted.fitted, fitted.judged, is_baseline=True))
    return found


def families(judged: Sequence[Trace]) -> list[str]:
    """Families of judged runs, by name."""
    return sorted({trace.facts.family for trace in judged})
