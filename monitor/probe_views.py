"""What signals may read of the train probe besides its logits, each made only when it is read.

Whether a run has them is tried once, at its start, so that whoever lacks one is told so there.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias, TypedDict

from torch import Tensor, nn

from grokwatch.monitor.batch import copied
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.fresh_inputs import BitInputs
from grokwatch.monitor.hidden import HiddenStates, attention_maps, has_attention
from grokwatch.monitor.lazy import LazyMapping
from grokwatch.monitor.probe import Group, Probe
from grokwatch.monitor.snapshot import FreshInputs, Need, Tangents
from grokwatch.monitor.tangents import OutputGradients
from grokwatch.monitor.train_probe import TrainProbe

Examples: TypeAlias = tuple[tuple[Tensor, ...], Tensor]

NEEDS = frozenset({Need.REPRESENTATIONS, Need.ATTENTION, Need.TANGENTS, Need.FRESH})


class Views(TypedDict, total=False):
    """The fields of a snapshot that come from here."""

    representations: Mapping[str, Tensor]
    attention: Mapping[str, Tensor]
    tangents: Tangents
    fresh: Callable[[], FreshInputs]


class ProbeViews:
    """Hidden states, attention maps, output gradients and fresh inputs of one model.

    Args:
        module: the model.
        train_probe: the fixed train examples.
        probe: what its user says of the model.
        group: what inputs run over, or None.
        needs: which of these anybody will read.

    Attributes:
        guesses: sentences on what was not said.
        reasons: need -> why this run cannot meet it, where that is more than its absence.

    Raises:
        ProbeError: the probe names a submodule that is not there.
    """

    def __init__(
        self,
        module: nn.Module,
        train_probe: TrainProbe,
        probe: Probe,
        group: Group | None,
        needs: Collection[Need] = NEEDS,
    ) -> None:
        self._module = module
        self._probe = train_probe
        self._attention = probe.attention
        self._hidden = HiddenStates(module, probe.hidden)
        self.guesses: list[str] = []
        self.reasons: dict[Need, str] = {}
        self._fresh: BitInputs | None = None
        self._examples: Examples | None = None
        self._tangents: OutputGradients | None = None
        self._given = {need for need in NEEDS & set(needs) if self._is_given(need, group)}
        if Need.REPRESENTATIONS in self._given and self._hidden.guess:
            self.guesses.append(self._hidden.guess)

    def give(self, need: Need) -> bool:
        """Whether this run can meet a need."""
        return need in self._given

    def read(self, num_rows: int) -> Views:
        """The fields of a snapshot, none of which has cost anything yet.

        Args:
            num_rows: decisions of the train probe.

        Returns:
            What this run has.
        """
        views = Views()
        if self.give(Need.REPRESENTATIONS):
            views["representations"] = LazyMapping(lambda: self._read_hidden(num_rows))
        if self.give(Need.ATTENTION):
            views["attention"] = LazyMapping(self._read_attention)
        if self.give(Need.TANGENTS) and self._probe.examples is not None:
            views["tangents"] = self._read_tangents(self._probe.examples)
        if self.give(Need.FRESH):
            views["fresh"] = self._read_fresh
        return views

    @property
    def _inputs(self) -> tuple[Tensor, ...]:
        """Inputs of the train probe, which shrinks where memory is short; a copy to write into."""
        examples = self._probe.examples
        return () if examples is None else tuple(copied(examples[0]))

    def _is_given(self, need: Need, group: Group | None) -> bool:
        """Try once what could be there."""
        is_expected = {
            Need.REPRESENTATIONS: self._hidden.is_known,
            Need.ATTENTION: self._attention is not None or has_attention(self._module),
            Need.TANGENTS: True,
            Need.FRESH: group is not None and group.kind == "bits",
        }[need]
        if not is_expected or self._probe.examples is None:
            return False
        try:
            self._try(need, group)
        except Exception as error:  # any model may refuse anything
            self.reasons[need] = f"{type(error).__name__}: {error}"[:200]
            return False
        return True

    def _try(self, need: Need, group: Group | None) -> None:
        """Read what a need stands for, as small as that goes."""
        if need is Need.REPRESENTATIONS:
            reading = self._probe.read()
            self._read_hidden(0 if reading is None else len(reading.targets))
        elif need is Need.ATTENTION:
            self._read_attention()
        elif need is Need.TANGENTS and self._probe.examples is not None:
            self._read_tangents(self._probe.examples)
        elif group is not None:
            self._fresh = BitInputs(self._module, self._inputs, group.order)
            self._probe.watch(lambda: self._fresh and self._fresh.read(count=2))

    def _read_hidden(self, num_rows: int) -> Mapping[str, Tensor]:
        """Hidden states of the train probe."""
        return self._probe.watch(lambda: self._hidden.read(self._inputs, num_rows))

    def _read_attention(self) -> Mapping[str, Tensor]:
        """Attention maps on some of the train probe."""
        maps = self._probe.watch(
            lambda: attention_maps(self._module, self._inputs, self._attention)
        )
        if not maps:
            msg = (
                "Expected attention maps of some layer, got none. "
                "Try Probe(attention=lambda module, *inputs: ...)."
            )
            raise SignalError(msg)
        return maps

    def _read_tangents(self, examples: Examples) -> Tangents:
        """Output gradients on the train probe as it is now: rows are counted in its examples."""
        if self._tangents is None or self._examples is not examples:
            self._examples = examples
            self._tangents = OutputGradients(self._module, *examples)
        return self._tangents

    def _read_fresh(self) -> FreshInputs:
        """The model on fresh inputs."""
        assert self._fresh is not None  # it was tried
        return self._probe.watch(self._fresh.read)
