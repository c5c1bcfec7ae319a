"""The network behind the hazard, in training: families of readings are hidden from it at random."""

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from grokwatch.experiments.fitting.examples import Examples
from grokwatch.experiments.threads import one_thread
from grokwatch.experiments.validation.trace import Floats
from grokwatch.monitor.predictors._model import Layer
from grokwatch.monitor.predictors._readings import FAMILIES, NAMES, READINGS
from grokwatch.monitor.presets import choose
from grokwatch.monitor.records import signal_of

_LEAST = 1e-8
_CLOCK = "clock"
_PRESETS = ("cheap", "standard")
_DIGITS = 6


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a network is trained; chosen by leaving folds of the train split out.

    Attributes:
        members: networks whose logits are averaged.
        hidden: units of each.
        batches: to train on.
        batch: looks in each; every run is as likely to be looked at.
        lr: of Adam, falling to 0.
        shrink: weight of the squared weights in the loss.
        preset: chance that a look is seen as under one of the smaller presets.
        hide_family: chance that a family of readings is hidden from a look.
        hide_reading: chance that one reading is.
    """

    members: int = 1
    hidden: int = 48
    batches: int = 4000
    batch: int = 512
    lr: float = 3e-3
    shrink: float = 5e-4
    preset: float = 0.4
    hide_family: float = 0.15
    hide_reading: float = 0.05


RECIPE = Recipe()


def train(inputs: Floats, data: Examples, recipe: Recipe, seed: int) -> list[Layer]:
    """Train networks and put them side by side in one.

    Args:
        inputs: `(N, 2 F)` as the predictor makes them.
        data: what became of each look.
        recipe: how.
        seed: of weights, batches and what is hidden.

    Returns:
        Two layers, to logits of grokking and then of rising, in so few digits that a file of them
        stays small.
    """
    with one_thread():
        nets = [_trained(inputs, data, recipe, seed + place) for place in range(recipe.members)]
    first = [np.concatenate([_array(net[0].weight) for net in nets]).T]
    first.append(np.concatenate([_array(net[0].bias) for net in nets]))
    last = np.concatenate([_array(net[2].weight).T for net in nets]) / len(nets)
    bias = np.mean([_array(net[2].bias) for net in nets], axis=0)
    return [_layer(first[0], first[1]), _layer(last, bias)]


def _trained(inputs: Floats, data: Examples, recipe: Recipe, seed: int) -> nn.Sequential:
    """Train one."""
    generator = torch.Generator().manual_seed(seed)
    seen = [data.seen(ends) for ends in (data.grokked, data.risen)]
    exposed, came = (np.concatenate(parts, axis=1) for parts in zip(*seen, strict=True))
    rates = _rates(exposed, came, data.weights)
    net = _network(inputs.shape[1], recipe.hidden, rates, generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, recipe.batches)
    x, exposure, event = (
        torch.as_tensor(part, dtype=torch.float32) for part in (inputs, exposed, came)
    )
    weights = torch.as_tensor(data.weights)
    hide = _Hiding(recipe, generator)
    for _ in range(recipe.batches):
        chosen = torch.multinomial(weights, recipe.batch, replacement=True, generator=generator)
        hazard = softplus(net(hide(x[chosen])))
        loss = (exposure[chosen] * hazard - event[chosen] * (hazard + _LEAST).log()).sum(-1).mean()
        squares = torch.stack([(part**2).sum() for part in net.parameters() if part.ndim > 1])
        optimizer.zero_grad()
        (loss + recipe.shrink * squares.sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net


class _Hiding:
    """Makes readings missing at random, as a run without them would."""

    def __init__(self, recipe: Recipe, generator: torch.Generator) -> None:
        self._recipe, self._generator = recipe, generator
        self._families = _members(FAMILIES)
        self._readings = _members([name.partition(".")[0] for name in NAMES])
        self._presets = torch.stack([beyond(preset) for preset in _PRESETS])

    def __call__(self, x: Tensor) -> Tensor:
        """Hide parts of `(B, 2 F)` inputs."""
        hidden = self._drawn(len(x), self._families, self._recipe.hide_family)
        hidden = hidden | self._drawn(len(x), self._readings, self._recipe.hide_reading)
        hidden = hidden | self._under_presets(len(x))
        values, missing = x.chunk(2, -1)
        return torch.cat((values.masked_fill(hidden, 0.0), missing.masked_fill(hidden, 1.0)), -1)

    def _under_presets(self, count: int) -> Tensor:
        which = torch.randint(len(_PRESETS), (count,), generator=self._generator)
        is_seen = torch.rand(count, 1, generator=self._generator) < self._recipe.preset
        return self._presets[which] & is_seen

    def _drawn(self, count: int, members: Tensor, chance: float) -> Tensor:
        drawn = torch.rand(count, len(members), generator=self._generator) < chance
        return (drawn.float() @ members) > 0


def beyond(preset: str) -> Tensor:
    """`(F,)` whether a feature needs more signals than a preset measures."""
    names = {signal.name for signal in choose(preset)}
    missing = {
        reading.name
        for reading in READINGS
        if not any(signal_of(key) in names for key in reading.keys)
    }
    return torch.tensor([name.partition(".")[0] in missing for name in NAMES])


def _members(names: Sequence[str]) -> Tensor:
    """`(groups, F)` which features belong to which group; the clock belongs to none."""
    groups = sorted({*names} - {_CLOCK})
    return torch.tensor([[float(name == group) for name in names] for group in groups])


def _rates(exposure: Floats, event: Floats, weights: Floats) -> Tensor:
    """Integrated hazard of each bin, whatever the run."""
    rate = (weights @ event + 0.1) / (weights @ exposure + 1.0)
    return torch.as_tensor(rate, dtype=torch.float32)


def _network(inputs: int, hidden: int, rates: Tensor, generator: torch.Generator) -> nn.Sequential:
    """Begins at the rates."""
    first, last = nn.Linear(inputs, hidden), nn.Linear(hidden, len(rates))
    with torch.no_grad():
        for layer in (first, last):
            layer.weight.normal_(0.0, 0.5 / layer.in_features**0.5, generator=generator)
            layer.bias.zero_()
        last.bias.copy_(rates.expm1().log())
    return nn.Sequential(first, nn.Tanh(), last)


def _array(part: Tensor | nn.Module) -> Floats:
    assert isinstance(part, Tensor)
    found: Floats = part.detach().double().numpy()
    return found


def _layer(weights: Floats, biases: Floats) -> Layer:
    return Layer(
        weights=[[rounded(x) for x in row] for row in weights.tolist()],
        biases=[rounded(x) for x in biases.tolist()],
    )


def rounded(x: float) -> float:
    """To six digits.

    Example:
        >>> rounded(0.123456789)
        0.123457
    """
    return float(f"{x:.{_DIGITS}g}")
