"""The bar for sweeps: the same models by hand in JAX, all at once and several steps in a call.

`vmap` over models, `scan` over steps, one jitted function, float32, one thread. Tokens are looked
up, which was faster at every shape here than a product with one-hot vectors.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from grokwatch.experiments.bench.sweep_arms import JAX, Parts, Trainee, parts_of
from grokwatch.experiments.bench.sweep_shapes import Shape

Weights: TypeAlias = dict[str, jax.Array]

_THREADS = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "NPROC": "1"}


class State(NamedTuple):
    """Weights and both moments, name -> `(S, ...)`."""

    weights: Weights
    first: Weights
    second: Weights


class Examples(NamedTuple):
    """Tokens a and b and their answers, each `(S, N)`."""

    a: jax.Array
    b: jax.Array
    targets: jax.Array


class Settings(NamedTuple):
    """Of AdamW, the same for all models."""

    lr: float
    decay: float
    betas: tuple[float, float]
    eps: float


class Corrections(NamedTuple):
    """What AdamW divides by at some steps: 1 - b1^t and the root of 1 - b2^t, each `(K,)`."""

    first: np.ndarray[tuple[int], np.dtype[np.float32]]
    root: np.ndarray[tuple[int], np.dtype[np.float32]]


def in_jax(shape: Shape, count: int) -> Trainee:
    """The first runs of a shape; the first call, which compiles, is thrown away.

    Args:
        shape: of the models.
        count: how many.
    """
    with _one_thread():
        jax.devices("cpu")
    with jax.default_device(jax.devices("cpu")[0]):
        return _trainee([parts_of(run) for run in shape.runs(count)], shape.scan)


def _trainee(models: Sequence[Parts], updates: int) -> Trainee:
    """All models, `updates` steps a call."""
    chosen = models[0].optimizer
    settings = Settings(chosen.lr, chosen.decay, chosen.betas, chosen.eps)
    weights = _stacked([dict(parts.model.named_parameters()) for parts in models])
    zeros = {name: jnp.zeros_like(weight) for name, weight in weights.items()}
    state, examples = State(weights, zeros, zeros), _examples(models)

    @jax.jit
    def run(state: State, examples: Examples, corrections: Corrections) -> tuple[State, jax.Array]:
        def step(state: State, corrections: Corrections) -> tuple[State, jax.Array]:
            losses, gradients = _gradients(state.weights, examples)
            return update(state, gradients, corrections, settings), losses

        return jax.lax.scan(step, state, corrections)

    begin = time.perf_counter()
    run(state, examples, corrected(0, updates, settings))[1].block_until_ready()
    first_seconds = time.perf_counter() - begin
    done = 0

    def advance() -> Tensor:
        nonlocal state, done
        state, losses = run(state, examples, corrected(done, updates, settings))
        losses.block_until_ready()
        done += updates
        return torch.from_numpy(np.array(losses))

    return Trainee(JAX, len(models), advance, updates, first_seconds)


def update(state: State, gradients: Weights, corrections: Corrections, settings: Settings) -> State:
    """One step of AdamW for all models.

    Args:
        state: weights and moments.
        gradients: of each model's own loss.
        corrections: of this step.
        settings: the same for all models.
    """
    b1, b2 = settings.betas
    first = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.first, gradients)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.second, gradients)
    shrink, step = 1 - settings.lr * settings.decay, settings.lr / corrections.first

    def moved(weight: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return weight * shrink - step * m / (jnp.sqrt(v) / corrections.root + settings.eps)

    return State(jax.tree.map(moved, state.weights, first, second), first, second)


def corrected(done: int, updates: int, settings: Settings) -> Corrections:
    """Corrections of the next steps, taken in float64.

    Args:
        done: steps before.
        updates: steps to come.
        settings: with both betas.
    """
    steps = np.arange(done + 1, done + updates + 1, dtype=np.float64)
    first, second = (1 - beta**steps for beta in settings.betas)
    return Corrections(first.astype(np.float32), np.sqrt(second).astype(np.float32))


def _loss(weights: Weights, a: jax.Array, b: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of one model."""
    states = jax.nn.relu(weights["input.weight"][a] + weights["input_second.weight"][b])
    logits = states @ weights["output.weight"].T
    right = jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=-1) - right).mean()


def _gradients(weights: Weights, examples: Examples) -> tuple[jax.Array, Weights]:
    """Losses `(S,)` and gradients of all models."""
    found: tuple[jax.Array, Weights] = jax.vmap(jax.value_and_grad(_loss))(weights, *examples)
    return found


def _stacked(weights: Sequence[Mapping[str, Tensor]]) -> Weights:
    """The weights of all models, copied."""
    return {
        name: jnp.asarray(np.stack([each[name].detach().numpy() for each in weights]))
        for name in weights[0]
    }


def _examples(models: Sequence[Parts]) -> Examples:
    """The train examples of all models, copied, in JAX's own 32 bits."""
    inputs = np.stack([parts.split.train_inputs.numpy() for parts in models]).astype(np.int32)
    targets = np.stack([parts.split.train_targets.numpy() for parts in models]).astype(np.int32)
    return Examples(*map(jnp.asarray, (inputs[..., 0], inputs[..., 1], targets)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let XLA use one thread, if it starts while a block runs; later it reads nothing of this."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(_THREADS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
