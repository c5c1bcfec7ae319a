"""What the report shows of the weights, out of the frames of a journal."""

import base64
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from grokwatch.monitor.records import (
    AnyRecord,
    Observation,
    RunStarted,
    SkippedSignal,
    WeightFrame,
)
from grokwatch.monitor.report.packing import Packed
from grokwatch.monitor.report.weights import (
    MAX_ROWS,
    WeightsReport,
    weights_report,
    why_no_weights,
)
from grokwatch.monitor.report.weights_data import read_looks

P = 13
Matrix = npt.NDArray[np.floating[Any]]


def started(group: str | None = f"cyclic:{P}", **hyper_parameters: Any) -> RunStarted:
    named = {name.replace("__", "."): value for name, value in hyper_parameters.items()}
    return RunStarted(run_id="r", time=0.0, group=group, hyper_parameters=named)


def frame(step: int, matrix: Matrix, role: str = "input", attempt: int = 1) -> WeightFrame:
    data = np.ascontiguousarray(matrix, dtype="<f4").tobytes()
    shape = tuple(matrix.shape)
    return WeightFrame(run_id="r", step=step, role=role, shape=shape, data=data, attempt=attempt)


def waves(frequencies: list[int], phases: list[float], order: int = P) -> Matrix:
    """Columns of pure waves."""
    tokens = np.arange(order)[:, None]
    found: Matrix = np.cos(2 * np.pi * np.array(frequencies) * tokens / order + np.array(phases))
    return found


def report(*records: AnyRecord) -> WeightsReport:
    found = weights_report(records)
    assert found is not None
    return found


def unpacked(packed: Packed) -> Matrix:
    data = np.frombuffer(base64.b64decode(packed.data), f"<{packed.dtype}")
    found: Matrix = data.reshape(packed.shape) * packed.scale
    return found


LAST = waves([5, 2, 5, 2], [0.5, 1.0, -0.5, -1.0])
FIRST = np.random.default_rng(0).normal(size=(P, 4))


def circular(**hyper_parameters: Any) -> list[AnyRecord]:
    frames = [frame(1, FIRST), frame(1, FIRST, "output"), frame(9, LAST), frame(9, LAST, "output")]
    return [started(**hyper_parameters), *frames]


def test_rows_are_in_the_order_of_their_last_wave_at_every_look() -> None:
    found = report(*circular())
    assert (found.kind, found.order, found.unit, found.steps) == ("cyclic", P, "neuron", (1, 9))
    assert found.units == (3, 1, 2, 0)
    assert found.waves is not None
    assert found.waves.frequencies == (2, 2, 5, 5)
    assert found.waves.phases == pytest.approx((-1.0, 1.0, -0.5, 0.5), abs=1e-6)
    for look, matrix in zip(found.inward, (FIRST, LAST), strict=True):
        np.testing.assert_allclose(unpacked(look), matrix.T[[3, 1, 2, 0]], atol=1e-4)
    assert [packed.dtype for packed in (*found.inward, *found.outward)] == ["i2"] * 4


def test_power_gathers_in_the_frequencies_that_the_neurons_end_with() -> None:
    found = report(*circular()).waves
    assert found is not None
    shares = unpacked(found.shares)
    assert shares.shape == (2, P // 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(shares[1, [1, 4]], 0.5, atol=1e-3)
    assert shares[0].max() < 0.5
    assert unpacked(found.own)[1].argmax(axis=1).tolist() == [1, 1, 4, 4]
    assert sorted(circle.frequency for circle in found.circles) == [2, 5]
    np.testing.assert_allclose(
        [np.linalg.norm(unpacked(c.points)[1], axis=1).mean() for c in found.circles], 1, atol=0.01
    )


def test_stars_show_each_neuron_in_its_own_frequency_in_and_out() -> None:
    found = report(*circular()).waves
    assert found is not None
    assert found.stars_out is not None
    expected = np.exp(1j * np.array([-1.0, 1.0, -0.5, 0.5]))
    for packed in (found.stars_in, found.stars_out):
        ray = unpacked(packed)[1]
        np.testing.assert_allclose(ray[:, 0] + 1j * ray[:, 1], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("hyper_parameters", "is_addition"),
    [
        ({}, True),
        ({"task__operation": "add"}, True),
        ({"task__operation": "sub"}, False),
        ({"task__random_labels": True}, False),
    ],
)
def test_logits_mark_the_sum_where_the_run_adds(
    hyper_parameters: dict[str, Any], is_addition: bool
) -> None:
    found = report(*circular(**hyper_parameters))
    assert found.logits is not None
    assert found.logits.is_addition is is_addition


@pytest.mark.parametrize(
    ("hyper_parameters", "reason"),
    [
        ({"model__activation": "square"}, "this run says model.activation = square"),
        ({"model__embeddings": "untied"}, "this run says model.embeddings = untied"),
        ({"model__separate": True}, "this run says model.separate = True"),
    ],
)
def test_logits_are_not_computed_for_networks_of_another_kind(
    hyper_parameters: dict[str, Any], reason: str
) -> None:
    found = report(*circular(**hyper_parameters))
    assert found.logits is None
    assert reason in found.missing["weights-logits"]


def test_logits_need_both_matrices_with_a_column_for_each_neuron() -> None:
    alone = report(started(), frame(1, LAST))
    assert alone.logits is None
    assert "need two matrices" in alone.missing["weights-logits"]
    assert "no matrix that answers go out by" in alone.missing["weights-stars-out"]
    assert alone.outward == ()
    wider = report(started(), frame(1, LAST), frame(1, LAST[:, :2], "output"))
    assert "need two matrices" in wider.missing["weights-logits"]
    tokens = report(started(), frame(1, LAST, "embedding"), frame(1, LAST, "unembedding"))
    assert tokens.unit == "dimension"
    assert "need two matrices" in tokens.missing["weights-logits"]


def test_bits_that_matter_are_those_the_run_says() -> None:
    matrix = np.ones((6, 4))
    matrix[4] = 9
    told = report(
        started("bits:6", task__num_relevant=2, task__relevant="first"),
        frame(1, np.ones((6, 4))),
        frame(5, matrix),
    )
    assert told.kind == "bits"
    assert told.waves is None
    assert told.missing == {}
    assert told.bits is not None
    assert (told.bits.relevant, told.bits.is_told) == ((0, 1), True)
    np.testing.assert_allclose(unpacked(told.bits.norms), [[2] * 6, [2] * 4 + [18, 2]], atol=1e-3)


@pytest.mark.parametrize(
    ("hyper_parameters", "relevant"),
    [
        ({"task__num_relevant": 2, "task__relevant": "drawn"}, (1, 4)),
        ({"task__num_relevant": 99}, (0, 1, 2, 3, 4, 5)),
        ({"task__num_relevant": "many"}, (1, 3, 4)),
        ({}, (1, 3, 4)),
    ],
)
def test_else_they_are_the_heaviest_at_the_end(
    hyper_parameters: dict[str, Any], relevant: tuple[int, ...]
) -> None:
    matrix = np.diag([1.0, 5, 2, 3, 4, 0])
    found = report(started("bits:6", **hyper_parameters), frame(1, matrix)).bits
    assert found is not None
    assert (found.relevant, found.is_told) == (relevant, False)


@pytest.mark.parametrize("group", [None, "symmetric:3", "cyclic:2", "something else"])
def test_other_matrices_are_shown_as_they_are(group: str | None) -> None:
    found = report(started(group), frame(1, np.eye(6)[:2] if group == "cyclic:2" else np.eye(6)))
    assert found.kind == "plain"
    assert (found.waves, found.bits, found.logits) == (None, None, None)
    assert "does not say that its tokens are numbers" in found.missing["weights-waves"]


def test_a_matrix_that_does_not_run_over_the_group_is_no_wave() -> None:
    assert report(started("cyclic:7"), frame(1, LAST)).kind == "plain"
    assert report(frame(1, LAST)).kind == "plain"
    assert report(started(), frame(1, LAST, "attention")).inward[0].shape == (4, P)


def test_without_frames_there_is_no_report_but_a_reason() -> None:
    assert weights_report([started()]) is None
    assert "No weights were kept. A monitor keeps them" in why_no_weights(None)
    skip = SkippedSignal(name="weight_frames", reason="the input is large", remedy="")
    other = SkippedSignal(name="sharpness", reason="no loss", remedy="")
    told = RunStarted(run_id="r", time=0.0, skipped=(other, skip))
    assert why_no_weights(told) == "No weights were kept: the input is large."


def test_damaged_frames_are_left_out_and_counted() -> None:
    broken = [
        WeightFrame(run_id="r", step=2, role="input", shape=shape, data=bytes(16))
        for shape in ((2, 3), (4,), (0, 0), (-2, -2))
    ]
    found = report(started(), frame(1, LAST), *broken, frame(3, FIRST[:, :2]), frame(4, LAST))
    assert found.steps == (1, 4)
    assert found.notes == ("4 frames were left out because they are damaged.",)
    assert weights_report([started(), *broken]) is None


def test_weights_that_are_not_finite_are_gaps() -> None:
    matrix = LAST.copy()
    matrix[3, 1] = np.nan
    matrix[5] = np.inf
    found = report(started(), frame(1, matrix), frame(1, matrix, "output"))
    assert np.isfinite(found.limit)
    packed = found.inward[0]
    least = np.frombuffer(base64.b64decode(packed.data), "<i2") == -32_768
    assert least.sum() == 5
    nothing = report(started(), frame(1, np.full((P, 3), np.nan)))
    assert nothing.limit == 1.0
    assert b"NaN" not in msgspec.json.encode(nothing)


def test_what_a_later_attempt_trained_again_counts_once() -> None:
    def seen(step: int, attempt: int) -> Observation:
        return Observation(run_id="r", step=step, time=0.0, train_loss=1.0, attempt=attempt)

    records: list[AnyRecord] = [
        started(),
        *(frame(step, FIRST) for step in (1, 5, 9)),
        seen(4, 2),
        frame(5, LAST, attempt=2),
        frame(7, LAST, attempt=2),
    ]
    looks = read_looks(records)
    assert looks is not None
    assert looks.steps == (1, 5, 7)
    np.testing.assert_array_equal(looks.inward[1], LAST.astype("<f4"))


def test_the_largest_run_is_thinned_to_two_megabytes() -> None:
    rows = np.random.default_rng(0).normal(size=(512, 512))
    frames = [frame(step, rows, role) for step in range(1, 17) for role in ("input", "output")]
    found = report(started("cyclic:512"), *frames)
    assert len(msgspec.json.encode(found)) < 2_000_000
    assert len(found.units) == MAX_ROWS
    assert (found.steps[0], found.steps[-1]) == (1, 16)
    assert found.inward[0].dtype == "i1"
    assert found.notes == (
        f"{len(found.steps)} of 16 looks at the weights are in this page.",
        "The 128 largest of 512 rows are drawn.",
    )
    assert "need all neurons" in found.missing["weights-logits"]


def test_the_text_of_a_run_stays_in_one_short_line() -> None:
    found = report(*circular(model__activation="<b>\n" + 500 * "x"))
    assert "\n" not in found.missing["weights-logits"]
    assert len(found.missing["weights-logits"]) < 250


def test_a_group_that_only_the_resumed_training_was_told_counts() -> None:
    later = msgspec.structs.replace(started(), attempt=2)
    found = report(started(None), frame(1, FIRST), later, frame(9, LAST, attempt=2))
    assert (found.kind, found.steps) == ("cyclic", (1, 9))
