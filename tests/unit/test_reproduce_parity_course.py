"""What the parity reproductions make of trainings that are written down here."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grokwatch.experiments.counting import counting
from grokwatch.experiments.models import ParityMLP
from grokwatch.experiments.reproduce import (
    decay_phases,
    other_ways_out,
    parity,
    parity_penalties,
    subnetworks,
)
from grokwatch.experiments.reproduce.other_ways_out import CONTROL, LARGE, SIGNED, Attempt
from grokwatch.experiments.reproduce.parity_bits import first_held, generalized, memorized, sizes
from grokwatch.experiments.reproduce.parity_bits import zeros as count_zeros
from grokwatch.experiments.reproduce.parity_neurons import nested_accuracies, order, sufficient
from grokwatch.experiments.reproduce.parity_penalties import Penalized
from grokwatch.experiments.reproduce.subnetworks import Takeover
from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.experiments.tasks import SparseParity
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import read_story
from grokwatch.monitor.vocabulary import Phase

STEPS = np.arange(0, 6_001, 200)


def course(*, first: int = 1_200, last: int = 3_800, left: float = 0.01) -> Trajectory:
    """One model that fits from one step on, and knows from another; bits that distract are left."""
    train = np.where(first <= STEPS, 1.0, 0.6)[:, None]
    test = np.where(last <= STEPS, 1.0, 0.5)[:, None]
    weights = np.ones((len(STEPS), 1, 2, 6), dtype=np.float32)
    weights[-1, ..., 3:-1] = left
    losses = np.where(first <= STEPS, 0.1, 1.0)[:, None]
    scores = {
        "train_accuracy": train, "test_accuracy": test, "train_loss": losses, "test_loss": losses,
    }  # fmt: skip
    return Trajectory(STEPS, scores, {"hidden.weight": weights})


@pytest.mark.parametrize(
    "name",
    [
        "decay-phases", "other-ways-out-dropout", "other-ways-out-steps", "parity", "parity-l1",
        "parity-l2", "parity-phase-diagram",
    ],
)  # fmt: skip
def test_one_logit_is_trained_by_the_loss_of_the_pilots(name: str, tmp_path: Path) -> None:
    count = counting(print, progress=False)
    workshop = Workshop(root=tmp_path, pictures=tmp_path, quick=False, count=count, show=print)
    cells = [run.cell for run in workshop.grid(name).runs]
    assert {cell.model.options["num_logits"] for cell in cells} == {1}
    assert {cell.loss for cell in cells} == {"logistic"}


def test_steps_are_those_that_held() -> None:
    accuracies = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    assert first_held(np.arange(6) * 100, accuracies, 0.99) == 300
    assert first_held(np.arange(5) * 100, accuracies[:5], 0.99) is None
    assert (memorized(course(), 0), generalized(course(), 0)) == (1_200, 3_800)


def test_sizes_leave_the_constant_s_weight_out() -> None:
    relevant, distracting = sizes(course(left=0.5))
    assert relevant[-1] == pytest.approx([1.0])
    assert distracting[-1] == pytest.approx([0.5])


def test_weights_at_nothing_are_measured_by_the_largest() -> None:
    weights = np.array([[[4.0, 0.0]], [[4.0, 0.041]], [[1e-5, -1e-5]]], dtype=np.float32)
    assert count_zeros(weights).tolist() == [0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, True), ({"first": 200}, False), ({"last": 1_400}, False), ({"left": 0.5}, False)],
    ids=["as published", "memorises early", "generalises early", "keeps what distracts"],
)
def test_a_course_is_reproduced_only_with_all_its_parts(
    changes: dict[str, Any], *, expected: bool
) -> None:
    assert parity.measure(course(**changes), 0).is_reproduced is expected


def test_the_setback_is_how_much_a_loss_rose() -> None:
    assert parity._setback(np.array([1.0, 0.2, 0.5, 0.1])) == pytest.approx(2.5)
    assert parity._setback(np.array([3.0, 2.0])) == 1.0
    assert parity._setback(np.array([])) == 1.0


def test_the_sentence_gives_the_largest_setback_of_all_seeds() -> None:
    calm = parity.measure(course(), 0)
    text = parity.sentence({1e-4: [calm, calm, replace(calm, setback=1.7)]})
    assert "train loss becomes at most 1.70 times what it was before" in text


def penalized(penalty: str, strength: float, waits: tuple[float, ...], zeros: float) -> Penalized:
    return Penalized(
        penalty=penalty, strength=strength, models=(0,), waits=waits, zeros=(zeros,) * 3
    )


def test_a_penalty_is_judged_by_its_best_strength() -> None:
    found = (
        penalized("L1", 1e-5, (900, math.inf, math.inf), 0.1),
        penalized("L1", 1e-4, (500, 600, 700), 0.8),
        penalized("L2", 0.1, (1_500, 1_600, 1_700), 0.02),
    )
    best = {name: parity_penalties.best_of(found, name) for name in ("L1", "L2")}
    assert best["L1"].strength == 1e-4
    assert parity_penalties.holds(best)
    assert not parity_penalties.holds({"L1": found[0], "L2": found[2]})
    assert "L1 at its best strength 0.0001 takes 600 steps" in parity_penalties.sentence(
        best, 3, 5_000
    )


def test_a_wait_is_seen_only_in_order() -> None:
    assert parity_penalties.wait(course(first=1_200, last=3_800), 0) == 2_600
    assert math.isinf(parity_penalties.wait(course(first=3_800, last=1_200), 0))
    assert math.isinf(parity_penalties.wait(course(first=1_200, last=9_999), 0))


def test_the_first_criterion_of_decay_phases_is_said_to_be_missed() -> None:
    text = decay_phases.sentence({0.0: [Phase.MEMORIZATION], 0.1: [Phase.GROKKING]})
    assert "The first criterion, by accuracy, was missed" in text


def test_a_penalty_without_a_wait_is_said_to_have_none() -> None:
    best = {"L1": penalized("L1", 1e-5, (math.inf,), 0.1)}
    text = parity_penalties.sentence(best, 1, 5_000)
    assert "L1 at its best strength 1e-05 does not generalise after memorising and leaves" in text


def test_phases_must_come_in_order() -> None:
    memorized, grokked, confused = ([p] * 3 for p in
        (Phase.MEMORIZATION, Phase.GROKKING, Phase.CONFUSION))  # fmt: skip
    assert decay_phases.holds({0.0: memorized, 0.1: grokked, 2.0: confused})
    assert not decay_phases.holds({0.0: grokked, 0.1: grokked, 2.0: confused})
    assert not decay_phases.holds({0.0: memorized, 0.1: memorized, 2.0: confused})
    assert not decay_phases.holds({0.0: memorized, 0.1: grokked, 2.0: memorized})


@pytest.mark.parametrize(
    ("fitted", "solved", "phase"),
    [
        (20, 20, Phase.COMPREHENSION),
        (10, 30, Phase.GROKKING),
        (10, None, Phase.MEMORIZATION),
        (None, None, Phase.CONFUSION),
    ],
)
def test_phases_are_told_by_losses(fitted: int | None, solved: int | None, phase: Phase) -> None:
    records: list[AnyRecord] = []
    for step in (10, 20, 30):
        losses = [0.01 if at is not None and step >= at else 0.7 for at in (fitted, solved)]
        records += [
            Observation(run_id="r", step=step, time=0.0, train_loss=losses[0]),
            Evaluation(run_id="r", step=step, time=0.0, test_loss=losses[1]),
        ]
    assert decay_phases.phase_of(read_story(records)) is phase


def attempts(
    way: str, *, last: float, memorized: int | None = 100, spiked: bool = True
) -> list[Attempt]:
    known = np.array([0.5, 1.0, 0.9 if spiked else 1.0, 1.0])
    test = np.array([0.5, 0.5, last, last])
    solved = 200 if last >= 0.95 else None
    return [
        Attempt(way=way, steps=np.arange(4) * 100, train=known, test=test, memorized=memorized,
                generalized=solved)
    ] * 3  # fmt: skip


def test_a_way_out_needs_a_control_that_memorises() -> None:
    signed = CONTROL + SIGNED
    closed = {CONTROL: attempts(CONTROL, last=0.6), signed: attempts(signed, last=0.5)}
    assert not other_ways_out.holds(closed)
    assert other_ways_out.holds(closed | {LARGE: attempts(LARGE, last=1.0)})
    assert not other_ways_out.holds(closed | {LARGE + SIGNED: attempts(LARGE, last=1.0)})
    assert not other_ways_out.holds({
        CONTROL: attempts(CONTROL, last=1.0), LARGE: attempts(LARGE, last=1.0)
    })  # fmt: skip
    assert closed[CONTROL][0].spikes == 1
    confused = {CONTROL: attempts(CONTROL, last=0.6, memorized=None)}
    assert not other_ways_out.holds(confused | {LARGE: attempts(LARGE, last=1.0)})


@pytest.mark.parametrize("memorized", [None, 200, 300])
def test_a_way_out_is_open_only_after_memorizing(memorized: int | None) -> None:
    found = {LARGE: attempts(LARGE, last=1.0, memorized=memorized)}
    assert other_ways_out.open_ways(found) == []
    assert other_ways_out.open_ways({LARGE: attempts(LARGE, last=1.0)}) == [LARGE]


def test_slingshots_are_looked_for_among_large_steps_alone() -> None:
    calm = attempts(LARGE, last=1.0, spiked=False)
    text = other_ways_out.sentence({CONTROL: attempts(CONTROL, last=0.6), LARGE: calm})
    assert "lost again 0 times in the 3 runs with large steps" in text
    assert "they were no slingshots" in text
    text = other_ways_out.sentence({CONTROL: calm, LARGE: attempts(LARGE, last=1.0)})
    assert "lost again 3 times in the 3 runs with large steps" in text
    assert "no slingshots" not in text


def test_neurons_are_ordered_by_what_passes_through_them() -> None:
    inputs = np.array([[1.0, 0.0], [8.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    assert order(inputs, np.array([1.0, -0.1, 1.0], dtype=np.float32)).tolist() == [2, 0, 1]


def test_parts_of_a_network_add_up_to_it() -> None:
    split = SparseParity(num_bits=6, num_train=30, num_test=30).split()
    model = ParityMLP(num_bits=6, hidden=5, seed=3)
    hidden, output = (w.detach().numpy() for w in (model.hidden.weight, model.output.weight))
    examples = (split.train_inputs.numpy(), split.train_targets.numpy())
    alone, rest = nested_accuracies(hidden, output[1] - output[0], examples)
    answers = model(split.train_inputs).argmax(-1)
    accuracy = float((answers == split.train_targets).double().mean())
    assert alone[-1] == rest[0] == pytest.approx(accuracy)
    assert alone[0] == rest[-1] == pytest.approx(float((split.train_targets == 0).double().mean()))
    model.hidden.weight.data[2:] = 0
    accuracy = float((model(split.train_inputs).argmax(-1) == split.train_targets).double().mean())
    assert alone[2] == pytest.approx(accuracy)
    assert torch.is_tensor(answers)


def test_neurons_suffice_where_they_keep_the_accuracy() -> None:
    assert sufficient(np.array([0.5, 0.7, 0.985, 0.9, 1.0])) == 2


def test_a_takeover_needs_fewer_neurons_and_an_idle_rest() -> None:
    found = Takeover(
        penalty="L2", memorized=400, generalized=1_600, needed=np.array([9, 8, 3]),
        sparse=np.array([0.5, 0.9, 1.0]), dense=np.array([0.5, 0.5, 0.6]), between=8,
    )  # fmt: skip
    assert found.is_found
    assert not replace(found, between=5).is_found
    assert not replace(found, dense=np.array([0.5, 0.5, 0.9])).is_found
    assert not replace(found, sparse=np.array([0.5, 0.5, 0.9])).is_found
    assert "in 1 of 1 models" in subnetworks.sentence([found], 1, 32)
    idle = replace(found, dense=np.array([0.5, 0.5, 0.9]))
    assert subnetworks.holds([found, found, idle], 5)
    assert not subnetworks.holds([found, idle], 3)
    assert not subnetworks.holds([found], 18)
    assert "none of 18 models generalised after memorising" in subnetworks.sentence([], 18, 32)


def test_a_model_that_generalises_before_it_memorises_is_not_split() -> None:
    assert subnetworks.takeover(course(first=3_800, last=1_200), [], 0) is None
