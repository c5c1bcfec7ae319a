"""The networks: small enough to watch every weight.

Every forward pass also takes parameters with leading model axes (`torch.func.functional_call` with
tensors `(*models, ...)` gives logits `(*models, N, C)`), so one Lightning model and a stacked sweep
run the same code.
"""

from collections.abc import Callable
from typing import TypeAlias

from grokwatch.experiments.models.direct import CircularMLP, DirectMLP
from grokwatch.experiments.models.modular import ModularMLP, modular_input
from grokwatch.experiments.models.parity import ParityMLP, parity_input
from grokwatch.experiments.models.plain import PlainMLP
from grokwatch.experiments.models.transformer import Transformer

__all__ = [
    "MODELS",
    "CircularMLP",
    "DirectMLP",
    "ModularMLP",
    "Network",
    "ParityMLP",
    "PlainMLP",
    "Transformer",
    "modular_input",
    "parity_input",
]

Network: TypeAlias = ModularMLP | DirectMLP | CircularMLP | ParityMLP | PlainMLP | Transformer

MODELS: dict[str, Callable[..., Network]] = {
    "modular_mlp": ModularMLP,
    "direct_mlp": DirectMLP,
    "circular_mlp": CircularMLP,
    "parity_mlp": ParityMLP,
    "plain_mlp": PlainMLP,
    "transformer": Transformer,
}
