"""The weights of several models as one tensor for each name."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import ConfigurationError


def stack(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Copy the parameters of equally shaped models into leaves `(S, ...)` to be trained.

    Buffers stay with the model that `torch.func.functional_call` is given, so all must have the
    same.

    Args:
        models: S >= 1 of them.

    Returns:
        Name -> tensor that requires a gradient, in the order of `named_parameters()`.

    Raises:
        ConfigurationError: models differ in more than the values of their parameters.

    Example:
        >>> weights = stack([nn.Linear(2, 3), nn.Linear(2, 3)])
        >>> {name: tuple(weight.shape) for name, weight in weights.items()}
        {'weight': (2, 3, 2), 'bias': (2, 3)}
    """
    if not models:
        msg = "Expected at least one model, got none. Try stack([model])."
        raise ConfigurationError(msg)
    shapes = [{name: p.shape for name, p in model.named_parameters()} for model in models]
    for number, other in enumerate(shapes):
        if other != shapes[0]:
            msg = (
                f"Expected models of one shape, got {_shown(shapes[0])} and, for model {number}, "
                f"{_shown(other)}. Try a stack for each shape."
            )
            raise ConfigurationError(msg)
    _check_buffers(models)
    columns = zip(*(model.parameters() for model in models), strict=True)
    return {
        name: torch.stack([p.detach() for p in column]).requires_grad_()
        for name, column in zip(shapes[0], columns, strict=True)
    }


def unstack(weights: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Copy stacked weights into a state for each model, as `load_state_dict(strict=False)` takes.

    Args:
        weights: name -> `(S, ...)`.

    Returns:
        S times name -> `(...)`, detached.

    Example:
        >>> [one, other] = unstack({"weight": torch.tensor([[1.0], [2.0]])})
        >>> other
        {'weight': tensor([2.])}
    """
    counts = {len(weight) for weight in weights.values()}
    if len(counts) != 1:
        msg = (
            f"Expected weights of equally many models, got {sorted(counts)}. Try those of stack()."
        )
        raise ValueError(msg)
    return [
        {name: weight[model].detach().clone() for name, weight in weights.items()}
        for model in range(counts.pop())
    ]


def pack(weights: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Move stacked weights into one block of memory, so that an optimizer makes one update for all.

    Args:
        weights: name -> `(S, ...)`.

    Returns:
        The block `(S, P)`, and leaves under the same names that share its memory: an update of the
        block, with `pack_gradients`, is an update of these.

    Example:
        >>> block, views = pack({"weight": torch.ones(2, 3, 2), "bias": torch.zeros(2, 3)})
        >>> block.shape
        torch.Size([2, 9])
        >>> _ = block.add_(1)
        >>> views["bias"][1]
        tensor([1., 1., 1.], grad_fn=<SelectBackward0>)
    """
    block = torch.cat([weight.detach().flatten(1) for weight in weights.values()], dim=1)
    parts = torch.split(block, [weight[0].numel() for weight in weights.values()], dim=1)
    views = {
        name: part.view(weight.shape).detach().requires_grad_()
        for (name, weight), part in zip(weights.items(), parts, strict=True)
    }
    return block, views


def pack_gradients(gradients: Sequence[Tensor]) -> Tensor:
    """Gradients `(S, ...)` in the order of the weights as one block `(S, P)`."""
    return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)


def _check_buffers(models: Sequence[nn.Module]) -> None:
    """Refuse models that would share the first one's buffers and have others."""
    first = dict(models[0].named_buffers())
    for number, model in enumerate(models):
        for name, buffer in model.named_buffers():
            if name not in first or not torch.equal(first[name], buffer):
                msg = (
                    f"Expected the same buffers in all models, got another {name!r} in model "
                    f"{number}. Try a stack for each."
                )
                raise ConfigurationError(msg)


def _shown(shapes: Mapping[str, torch.Size]) -> str:
    """Names and shapes for a message."""
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
