"""Hidden states and attention maps: what passes through a model on the train probe.

A user's function is called as it is. Where there is none, hooks listen for the length of one
forward pass to the last linear layer and to every `nn.MultiheadAttention`, and are taken off again.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from grokwatch.monitor.batch import logits_of
from grokwatch.monitor.errors import ProbeError, SignalError
from grokwatch.monitor.probe import Attention, Hidden

MAX_ATTENTION_ROWS = 32
MOST_WEIGHTS = 1 << 24

LAST = "last"


class HiddenStates:
    """Where a model's hidden states are.

    Args:
        module: the model.
        hidden: as in `Probe.hidden`.

    Attributes:
        guess: a sentence on what was looked for, or "".

    Raises:
        ProbeError: `hidden` names no submodule.

    Example:
        >>> module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> HiddenStates(module).guess
        "hidden states are what '2' is given, the last nn.Linear"
    """

    def __init__(self, module: nn.Module, hidden: Hidden | None = None) -> None:
        self._module = module
        self._hidden = hidden
        self._is_output = isinstance(hidden, str)
        self._layer: nn.Module | None = None
        self.guess = ""
        if isinstance(hidden, str):
            self._layer = self._named(hidden)
        elif hidden is None:
            linears = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear)]
            if linears:
                name, self._layer = linears[-1]
                self.guess = f"hidden states are what {name!r} is given, the last nn.Linear"

    @property
    def is_known(self) -> bool:
        """Whether there is a place to look at."""
        return self._hidden is not None or self._layer is not None

    @contextmanager
    def caught(self) -> Iterator[list[Tensor]]:
        """Catch what passes, for the length of one forward pass.

        Yields:
            A list that the pass fills with one tensor, where a layer is listened to.
        """
        states: list[Tensor] = []
        if self._layer is None:
            yield states
            return

        def note(_: nn.Module, inputs: tuple[Any, ...], output: Any = None) -> None:
            found = logits_of(output if self._is_output else inputs[0])
            if found is not None:
                states.append(found.detach())

        on = self._layer.register_forward_hook if self._is_output else None
        handle = on(note) if on else self._layer.register_forward_pre_hook(note)
        try:
            yield states
        finally:
            handle.remove()

    def read(self, inputs: tuple[Tensor, ...], num_rows: int) -> dict[str, Tensor]:
        """Run the model on inputs and give one hidden state per decision.

        Args:
            inputs: of a batch.
            num_rows: decisions that the batch asks for.

        Returns:
            `{"last": (num_rows, D)}`.

        Raises:
            SignalError: nothing passed, or what did has another number of rows.
        """
        with self.caught() as states:
            if callable(self._hidden):
                states.append(self._hidden(self._module, *inputs))
            else:
                self._module(*inputs)
        return {LAST: _rows(states[-1] if states else None, num_rows)}

    def _named(self, name: str) -> nn.Module:
        """The submodule of that name."""
        modules: dict[str, nn.Module] = dict(self._module.named_modules())
        if name not in modules:
            names = ", ".join(each for each in modules if each) or "none"
            msg = (
                f"Expected hidden to name a submodule, got {name!r}. "
                f"Try one of those that the model has: {names}."
            )
            raise ProbeError(msg)
        return modules[name]


def attention_maps(
    module: nn.Module, inputs: tuple[Tensor, ...], attention: Attention | None = None
) -> dict[str, Tensor]:
    """Run a model on some examples and give what its heads attend to.

    At most 32 examples, and only so many that all maps together have at most 2^24 weights: training
    with fused attention never holds such maps.

    Args:
        module: the model.
        inputs: of a batch.
        attention: as in `Probe.attention`.

    Returns:
        Layer -> `(N, heads, T, T)`; names are those of submodules, with dots as underscores.

    Raises:
        SignalError: a user's function gives something else, or one example has too many weights.
    """
    few = tuple(part[:MAX_ATTENTION_ROWS] for part in inputs)
    if attention is not None:
        maps = attention(module, *few)
        return _checked(dict(maps) if isinstance(maps, Mapping) else {LAST: maps})
    try:
        return _listened(module, few)
    except _TooManyError as error:
        fewer = tuple(part[: error.num_examples] for part in inputs)
    return _listened(module, fewer)


class _TooManyError(SignalError):
    """More attention weights than are to be held at a time.

    Args:
        each: weights that one example has in all layers.
    """

    def __init__(self, each: int) -> None:
        self.num_examples = max(1, MOST_WEIGHTS // each)
        super().__init__(
            f"Expected at most {MOST_WEIGHTS:,} attention weights of one example, got {each:,}. "
            "Try Probe(attention=...) with a function that gives those of fewer positions."
        )


def _listened(module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What the heads of every `nn.MultiheadAttention` attend to."""
    layers = {
        name.replace(".", "_") or LAST: child
        for name, child in module.named_modules()
        if isinstance(child, nn.MultiheadAttention)
    }
    found: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, child in layers.items():
            stack.enter_context(_telling(child, name, found, MOST_WEIGHTS // len(layers)))
        module(*inputs)
    return found


def _checked(maps: dict[str, Any]) -> dict[str, Tensor]:
    """Refuse what are no attention maps: their readings would look like any others."""
    for name, layer in maps.items():
        if not isinstance(layer, Tensor) or layer.ndim != 4:
            shape = tuple(layer.shape) if isinstance(layer, Tensor) else type(layer).__name__
            msg = (
                f"Expected attention maps (N, heads, T, T) for {name!r}, got {shape}. "
                "Try to keep the axes of examples and heads."
            )
            raise SignalError(msg)
    return maps


def has_attention(module: nn.Module) -> bool:
    """Whether some part of a model attends in a way that can be listened to."""
    return any(isinstance(child, nn.MultiheadAttention) for child in module.modules())


@contextmanager
def _telling(
    layer: nn.MultiheadAttention, name: str, found: dict[str, Tensor], most: int
) -> Iterator[None]:
    """Have one layer give its attention weights head by head, and note them."""

    def ask(_: nn.Module, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        num_examples, each = _sizes(layer, *inputs, **options)
        if num_examples * each > most:
            raise _TooManyError(each * (MOST_WEIGHTS // most))
        return inputs, options | {"need_weights": True, "average_attn_weights": False}

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if output[1] is not None:
            found[name] = output[1].detach()

    before = layer.register_forward_pre_hook(ask, with_kwargs=True)
    after = layer.register_forward_hook(note)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _sizes(
    layer: nn.MultiheadAttention, query: Tensor, key: Tensor, *_: Any, **__: Any
) -> tuple[int, int]:
    """How many examples a layer is given, and how many attention weights each of them has."""
    time = -2 if layer.batch_first or query.ndim == 2 else -3
    length = query.shape[time]
    num_examples = query.numel() // max(length * query.shape[-1], 1)
    return num_examples, layer.num_heads * length * key.shape[time]


def _rows(states: Tensor | None, num_rows: int) -> Tensor:
    """One row per decision: as they are, of the last position, or of every position."""
    if states is not None and states.ndim >= 2:
        if states.ndim == 2 and states.shape[0] == num_rows:
            return states
        if states.ndim == 3 and states.shape[0] == num_rows:
            return states[:, -1]
        flat = states.reshape(-1, states.shape[-1])
        if flat.shape[0] == num_rows:
            return flat
    shape = None if states is None else tuple(states.shape)
    msg = (
        f"Expected hidden states of shape ({num_rows}, D), one for each decision, got {shape}. "
        "Try Probe(hidden=lambda module, *inputs: ...)."
    )
    raise SignalError(msg)
