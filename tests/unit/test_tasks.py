import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import pytest
import torch

from grokwatch.experiments.tasks import (
    TASKS,
    Digits,
    ModularAddition,
    ModularArithmetic,
    SparseParity,
    Split,
    Task,
    make_task,
)
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Group

NOISY = [name for name in TASKS if name != "modular_addition"]


def digest(splits: Iterable[Split]) -> str:
    found = hashlib.sha256()
    for split in splits:
        for part in split:
            found.update(f"{part.dtype}{tuple(part.shape)}".encode())
            found.update(part.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def labels(split: Split) -> torch.Tensor:
    return torch.cat([split.train_targets, split.test_targets])


def rows(inputs: torch.Tensor) -> set[tuple[float, ...]]:
    return set(map(tuple, inputs.tolist()))


@pytest.mark.parametrize(
    ("make", "options", "expected"),
    [
        (ModularAddition, {}, "591f15a056819c51"),
        (ModularAddition, {"random_labels": True}, "97ded80c7f81bb0b"),
        (
            ModularAddition,
            {"modulus": 59, "symmetric": True, "train_fraction": 0.3},
            "d918ef9b4eda924b",
        ),
        (SparseParity, {}, "540abf43f4564db8"),
        (SparseParity, {"random_labels": True}, "5b29ef6701a61625"),
        (
            SparseParity,
            {"num_bits": 12, "num_relevant": 4, "num_train": 500, "num_test": 900},
            "1dc16400160315a4",
        ),
    ],
)
def test_examples_of_kept_runs_never_change(
    make: Callable[..., Task], options: dict[str, Any], expected: str
) -> None:
    assert digest(make(seed=seed, **options).split() for seed in range(30)) == expected


def test_another_process_draws_the_same_examples() -> None:
    code = (
        "import hashlib\nfrom grokwatch.experiments.tasks import TASKS\n"
        "found = hashlib.sha256()\n"
        "for make in TASKS.values():\n"
        "    for part in make(seed=7).split():\n"
        "        found.update(f'{part.dtype}{tuple(part.shape)}'.encode())\n"
        "        found.update(part.contiguous().numpy().tobytes())\n"
        "print(found.hexdigest()[:16])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(make(seed=7).split() for make in TASKS.values())


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
class TestEveryTask:
    def test_the_same_seed_gives_the_same_split_whatever_came_before(
        self, make: Callable[..., Task]
    ) -> None:
        first = make(seed=3).split()
        torch.manual_seed(99)
        torch.rand(7)
        assert all(map(torch.equal, first, make(seed=3).split()))
        assert not torch.equal(first.train_inputs, make(seed=4).split().train_inputs)

    def test_drawing_leaves_the_global_generator_alone(self, make: Callable[..., Task]) -> None:
        before = torch.get_rng_state()
        make(seed=3, random_labels=True).split()
        assert torch.equal(before, torch.get_rng_state())

    def test_no_example_is_on_both_sides(self, make: Callable[..., Task]) -> None:
        split = make(seed=3).split()
        train, test = rows(split.train_inputs), rows(split.test_inputs)
        assert train.isdisjoint(test)
        assert (len(train), len(test)) == (len(split.train_targets), len(split.test_targets))

    def test_targets_are_classes_and_the_group_indexes_an_axis(
        self, make: Callable[..., Task]
    ) -> None:
        task = make(seed=3)
        split = task.split()
        assert labels(split).dtype == torch.int64
        assert set(labels(split).tolist()) == set(range(task.num_classes))
        if task.group is not None:
            tokens = int(split.train_inputs.max()) + 1
            length = split.train_inputs.shape[1] if task.group.startswith("bits") else tokens
            assert Group.parse(task.group).order == length

    def test_attributes_are_plain_so_that_they_can_stand_beside_a_run(
        self, make: Callable[..., Task]
    ) -> None:
        assert {type(value) for value in vars(make()).values()} <= {bool, int, float, str}

    def test_random_labels_keep_inputs_and_label_counts_but_not_the_rule(
        self, make: Callable[..., Task]
    ) -> None:
        true, shuffled = make(seed=3).split(), make(seed=3, random_labels=True).split()
        assert torch.equal(true.test_inputs.sum(), shuffled.test_inputs.sum())
        assert torch.equal(true.train_inputs, shuffled.train_inputs)
        assert torch.equal(labels(true).sort().values, labels(shuffled).sort().values)
        shares = torch.bincount(labels(true)).double() / len(labels(true))
        chance = shares.square().sum().item()
        for side in ("train_targets", "test_targets"):
            same = (getattr(true, side) == getattr(shuffled, side)).double()
            error = (chance * (1 - chance) / len(same)) ** 0.5
            assert same.mean().item() == pytest.approx(chance, abs=4 * error)


@pytest.mark.parametrize("name", NOISY)
class TestLabelNoise:
    def test_it_replaces_exactly_its_fraction_of_train_labels_only(self, name: str) -> None:
        clean = TASKS[name](seed=3).split()
        noisy = TASKS[name](seed=3, label_noise=0.15).split()
        assert torch.equal(clean.train_inputs, noisy.train_inputs)
        assert torch.equal(clean.test_inputs, noisy.test_inputs)
        assert torch.equal(clean.test_targets, noisy.test_targets)
        changed = int((clean.train_targets != noisy.train_targets).sum())
        assert changed == round(0.15 * len(clean.train_targets))
        assert (
            0 <= noisy.train_targets.min() <= noisy.train_targets.max() < TASKS[name]().num_classes
        )

    def test_more_of_it_changes_what_less_changed_and_more(self, name: str) -> None:
        clean, less, more = (
            TASKS[name](seed=3, label_noise=noise).split().train_targets
            for noise in (0.0, 0.1, 0.5)
        )
        hit = clean != less
        assert torch.equal(more[hit], less[hit])
        assert not (clean == TASKS[name](seed=3, label_noise=1).split().train_targets).any()

    def test_what_is_no_fraction_is_refused(self, name: str) -> None:
        for noise in (-0.1, 1.5, float("nan")):
            with pytest.raises(ConfigurationError, match=rf"between 0 and 1, got {noise}\. Try"):
                TASKS[name](label_noise=noise)


def test_noise_goes_to_every_other_class_alike() -> None:
    options: dict[str, Any] = {"modulus": 5, "symmetric": True, "train_fraction": 0.9}
    shifts = torch.cat(
        [
            ModularArithmetic(seed=seed, label_noise=0.5, **options).split().train_targets
            - ModularArithmetic(seed=seed, **options).split().train_targets
            for seed in range(200)
        ]
    )
    counts = torch.bincount(shifts % 5)[1:]
    assert (counts.double() / counts.sum() - 0.25).abs().max() < 0.04


@pytest.mark.parametrize("make", [ModularAddition, ModularArithmetic, Digits])
def test_a_fraction_must_leave_both_sides_something(make: Callable[..., Task]) -> None:
    for fraction in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigurationError, match=r"strictly between 0 and 1, got .*\. Try"):
            make(train_fraction=fraction)
    with pytest.raises(ConfigurationError, match=r"leave one of \d+ examples .* 1e-06\. Try"):
        make(train_fraction=1e-6)


class TestMakeTask:
    def test_the_names_are_those_of_the_tasks(self) -> None:
        assert [make_task(name, {}).name for name in TASKS] == list(TASKS)

    def test_every_attribute_can_be_given(self) -> None:
        for name, make in TASKS.items():
            given = {field.name: getattr(make(), field.name) for field in fields(make())}  # type: ignore[arg-type]
            assert make_task(name, given) == make()

    def test_a_whole_number_for_a_real_one_makes_the_same_task(self) -> None:
        made = make_task("multitask_parity", {"zipf": 1, "label_noise": 0})
        assert repr(made) == repr(TASKS["multitask_parity"](zipf=1.0))

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            (
                "parity",
                {},
                r"a task among modular_addition, .* got 'parity'\. Try the nearest, 'sparse_par",
            ),
            (
                "digits",
                {"sed": 1},
                r"an attribute of digits among .* got 'sed'\. Try the nearest, 'seed'",
            ),
            ("digits", {"seed": True}, r"Expected seed as int, got True\. Try the default, seed=0"),
            ("digits", {"random_labels": 1}, r"Expected random_labels as bool, got 1\. Try"),
            ("digits", {"label_noise": "x"}, r"Expected label_noise as float, got 'x'\. Try"),
            (
                "modular_arithmetic",
                {"modulus": 7.0},
                r"modulus as int, got 7\.0\. Try the default, modulus=67",
            ),
        ],
    )
    def test_what_it_does_not_know_is_refused(
        self, name: str, options: dict[str, object], message: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=message):
            make_task(name, options)
