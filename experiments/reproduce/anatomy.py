"""A trained network of one embedding, taken apart into waves."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.reproduce.waves import (
    Array,
    Waves,
    doubling_gaps,
    random_gaps,
    strongest,
    waves_at,
)
from grokwatch.experiments.sweep import Run
from grokwatch.experiments.sweep.building import task_of
from grokwatch.monitor.signals.excluded import (
    aligned_logits,
    excluded_loss,
    key_wave,
    restricted_loss,
)

PAIR = (23, 51)
LEAST_SHARE = 0.1

_DRAWS = 2_000


@dataclass(frozen=True)
class Losses:
    """Cross-entropy along a training, each `(T,)`, nats.

    Attributes:
        train: of the train pairs.
        test: of the held-out pairs.
        excluded: of the train pairs without the key frequencies.
        restricted: of all pairs, with the key frequencies alone.
    """

    train: Array
    test: Array
    excluded: Array
    restricted: Array


@dataclass(frozen=True)
class Anatomy:
    """What is drawn of a trained network.

    Attributes:
        modulus: P.
        pair: two tokens a and b.
        inputs: waves of what a token adds to each neuron.
        outputs: of what each neuron adds to the logits, at the frequencies of the inputs.
        random: median gaps of random deals, radians.
        votes: key frequency -> what its neurons add to the logits of the pair, `(P,)`.
        logits: of the pair, `(P,)`.
        steps: `(T,)`.
        losses: at those steps.
        accuracy: on held-out pairs at those steps.
    """

    modulus: int
    pair: tuple[int, int]
    inputs: Waves
    outputs: Waves
    random: Array
    votes: dict[int, Array]
    logits: Array
    steps: NDArray[np.int64]
    losses: Losses
    accuracy: Array

    @property
    def keys(self) -> tuple[int, ...]:
        """Key frequencies, the one with most power at the input first."""
        return tuple(self.votes)

    @property
    def gaps(self) -> Array:
        """How far each neuron is from doubling its phase, radians."""
        return doubling_gaps(self.inputs.phases, self.outputs.phases)


def dissect(trained: Trajectory, chosen: Run) -> Anatomy:
    """Take a network of one embedding apart, at its last step."""
    reading, writing = input_matrix(trained, -1), output_matrix(trained, -1)
    inputs = waves_at(reading, strongest(reading))
    outputs = waves_at(writing, inputs.frequencies)
    keys = key_frequencies(inputs)
    states = np.maximum(reading[PAIR[0]] + reading[PAIR[1]], 0)
    votes = {key: writing @ np.where(inputs.frequencies == key, states, 0) for key in keys}
    return Anatomy(
        modulus=len(reading),
        pair=PAIR,
        inputs=inputs,
        outputs=outputs,
        random=random_gaps(inputs.phases, outputs.phases, draws=_DRAWS, seed=0),
        votes=votes,
        logits=writing @ states,
        steps=trained.steps,
        losses=losses(trained, chosen, keys),
        accuracy=trained.scores["test_accuracy"][:, 0],
    )


def key_frequencies(inputs: Waves) -> tuple[int, ...]:
    """Frequencies with at least a tenth of the waves' power at the input, the strongest first."""
    power = np.bincount(inputs.frequencies, weights=np.square(inputs.amplitudes))
    order = np.argsort(-power, kind="stable")
    return tuple(int(k) for k in order if power[k] >= LEAST_SHARE * power.sum())


def input_matrix(trained: Trajectory, index: int) -> Array:
    """What a token adds to each neuron, `(P, H)`."""
    embed, hidden = (trained.weights[f"{name}.weight"][index, 0] for name in ("embed", "hidden"))
    product: Array = embed.astype(np.float64) @ hidden.astype(np.float64).T
    return product


def output_matrix(trained: Trajectory, index: int) -> Array:
    """What each neuron adds to the logits, `(P, H)`."""
    embed, output = (trained.weights[f"{name}.weight"][index, 0] for name in ("embed", "output"))
    product: Array = embed.astype(np.float64) @ output.astype(np.float64)
    return product


def losses(trained: Trajectory, chosen: Run, keys: tuple[int, ...]) -> Losses:
    """Excluded and restricted loss along the training, for the key frequencies of its end."""
    split = task_of(chosen.cell, chosen.seed).split()
    pairs = torch.cat([split.train_inputs, split.test_inputs])
    targets = torch.cat([split.train_targets, split.test_targets])
    num_train = len(split.train_targets)
    excluded, restricted = [], []
    for index in range(len(trained.steps)):
        logits = all_logits(trained, index, pairs)
        aligned = aligned_logits(logits, targets)
        wave = key_wave(aligned, torch.tensor(keys))
        excluded.append(float(excluded_loss(aligned[:num_train], wave)))
        restricted.append(float(restricted_loss(wave)))
    scores = trained.scores
    return Losses(
        train=scores["train_loss"][:, 0],
        test=scores["test_loss"][:, 0],
        excluded=np.array(excluded),
        restricted=np.array(restricted),
    )


def all_logits(trained: Trajectory, index: int, pairs: Tensor) -> Tensor:
    """Logits of pairs at one of the kept steps, `(N, P)` float64."""
    reading = torch.from_numpy(input_matrix(trained, index))
    writing = torch.from_numpy(output_matrix(trained, index))
    return torch.relu(reading[pairs[:, 0]] + reading[pairs[:, 1]]) @ writing.T
