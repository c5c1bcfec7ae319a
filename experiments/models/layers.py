"""What the networks are made of; every function here takes leading model axes.

Weights are `(*models, out, in)`, states `(*models, N, D)`. Inputs are shared by all models, or each
model has its own, `(*models, N, ...)`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe

Random: TypeAlias = torch.Generator | Sequence[torch.Generator] | None

# Standard deviation of a unit normal cut at two standard deviations.
CUT_DEVIATION = 0.87962566103423978

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "square": torch.square}


class Matrix(nn.Module):
    """One weight matrix, drawn from a normal cut at two standard deviations `scale`."""

    def __init__(self, rows: int, columns: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        nn.init.trunc_normal_(
            self.weight, std=scale, a=-2 * scale, b=2 * scale, generator=generator
        )


def rows_of(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table by their numbers, as an embedding looks tokens up.

    Args:
        table: `(*models, R, D)`, or `(R, D)` for all models.
        index: row numbers `(N,)`, or `(*models, N)` where each model asks for its own.

    Returns:
        `(*models, N, D)`.

    Example:
        >>> rows_of(torch.tensor([[0.0], [10.0]]), torch.tensor([1, 1, 0])).flatten()
        tensor([10., 10.,  0.])
    """
    if index.ndim == 1:
        return table.index_select(-2, index)
    models = (table[..., 0, :1] + index[..., :1]).shape[:-1]
    num_rows, width = table.shape[-2:]
    offsets = torch.arange(0, models.numel() * num_rows, num_rows, device=index.device)
    shifted = index.expand(*models, -1).reshape(models.numel(), -1) + offsets[:, None]
    rows = table.expand(*models, -1, -1).reshape(-1, width)
    return rows.index_select(0, shifted.flatten()).view(*models, -1, width)


def add_vector(states: Tensor, vector: Tensor) -> Tensor:
    """States `(*models, N, D)` plus one vector `(*models, D)` for all rows."""
    return states + vector.unsqueeze(-2)


def normalized(states: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer normalization of each row `(*models, N, D)`, weight and bias `(*models, D)`.

    Source:
        Ba et al. 2016, equation 4.
    """
    rows = torch.nn.functional.layer_norm(states, states.shape[-1:], eps=eps)
    return add_vector(rows * weight.unsqueeze(-2), bias)


def dropout(states: Tensor, rate: float, random: Random) -> Tensor:
    """Set a share `rate` of the states to zero, and divide the others by `1 - rate`.

    One generator draws one mask for the whole stack: what a model gets depends on its place in the
    stack and on who is beside it. With a generator for each model, a model gets what it would get
    alone, whatever the stack.

    Args:
        states: `(*models, N, D)`; with a generator for each model `(S, N, D)`.
        rate: in [0, 1); at 0 nothing is drawn.
        random: where masks come from; the default generator where it is None.

    Returns:
        As `states`.

    Raises:
        ValueError: there are not as many generators as models.

    Source:
        Srivastava et al. 2014, scaled in training.
    """
    if rate == 0:
        return states
    if random is None or isinstance(random, torch.Generator):
        kept = torch.empty_like(states).bernoulli_(1 - rate, generator=random)
    elif states.ndim == 3 and len(random) == len(states):
        # Drawn where the generators are, so that a model drops the same on every device.
        kept = torch.empty_like(states, device=random[0].device)
        for mask, generator in zip(kept, random, strict=True):
            mask.bernoulli_(1 - rate, generator=generator)
    else:
        msg = (
            f"Expected one generator, or one for each of the models in {tuple(states.shape)}, "
            f"got {len(random)}. Try a single torch.Generator."
        )
        raise ValueError(msg)
    return states * kept.mul_(1 / (1 - rate)).to(states.device)


@torch.no_grad()
def enlarge(weights: Iterable[Tensor], alpha: float) -> None:
    """Multiply initial weights by `alpha`, the initial scale.

    Source:
        Liu et al. 2023 (Omnigrok, arXiv:2210.01117).
    """
    for weight in weights:
        weight.mul_(alpha)


def check_options(*, activation: str, dropout: float, alpha: float) -> None:
    """Refuse options that no network can have.

    Raises:
        ConfigurationError: an unknown activation, a dropout outside [0, 1), a scale <= 0.
    """
    if activation not in ACTIVATIONS:
        msg = (
            f"Expected an activation among {', '.join(ACTIVATIONS)}, got {activation!r}. Try relu."
        )
        raise ConfigurationError(msg)
    if not 0 <= dropout < 1:
        msg = f"Expected dropout in [0, 1), got {dropout}. Try dropout=0.1."
        raise ConfigurationError(msg)
    if not alpha > 0:
        msg = f"Expected an initial scale alpha > 0, got {alpha}. Try alpha=1."
        raise ConfigurationError(msg)


def probe_of(prefix: str = "", **parts: object) -> Probe:
    """A probe of the network under `prefix` with the names that our modules log under."""
    return Probe(
        hidden=partial(_hidden_states, prefix=prefix),
        test_accuracy="test_accuracy",
        test_loss="test_loss",
        **parts,  # type: ignore[arg-type]
    )


def held(module: nn.Module, prefix: str) -> nn.Module:
    """The network that a module holds under `prefix`, such as `model.`."""
    return module.get_submodule(prefix.rstrip("."))


def _hidden_states(module: nn.Module, inputs: Tensor, *, prefix: str = "") -> Tensor:
    """Neurons of the network that a module holds under `prefix`."""
    states: Tensor = held(module, prefix).hidden_states(inputs)  # type: ignore[operator]
    return states
