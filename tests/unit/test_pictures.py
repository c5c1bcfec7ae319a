import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from grokwatch.experiments.palette import PALETTES, Style
from grokwatch.experiments.panels import pick_frames, sparsity_points
from grokwatch.experiments.pictures import draw_run, headline
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.story import read_story
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage

STEPS = range(50, 3_001, 50)


def frame(step: int, role: str = "input", *, wavy: bool) -> WeightFrame:
    tokens, units = np.arange(11)[:, None], np.arange(4)[None, :]
    noise = np.random.default_rng(step).normal(size=(11, 4))
    matrix = np.cos(2 * math.pi * 2 * tokens / 11 + units) if wavy else noise
    data = np.ascontiguousarray(matrix, dtype="<f4").tobytes()
    return WeightFrame(run_id="r", step=step, role=role, shape=(11, 4), data=data)


def grokking_run(*, warned: int | None = 1_000, group: str | None = "cyclic:11") -> list[AnyRecord]:
    key = "inverse_participation_ratio.excess@input"
    if group and group.startswith("bits"):
        key = "coordinate_gini_coefficient.excess@input"
    records: list[AnyRecord] = [RunStarted(run_id="r", time=0.0, name="toy", group=group)]
    for step in STEPS:
        values = {key: step / 3_000, "weight_norm": 40 - step / 100}
        chances = (Chance(horizon_steps=9, probability=min(1.0, step / 2_000)),)
        records += [
            Observation(
                run_id="r", step=step, time=0.0, train_loss=0.1, values=values,
                train_accuracy=min(1.0, step / 200),
            ),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=float(step >= 2_000)),
            Assessment(
                run_id="r", step=step, time=0.0, predictor="p@1", stage=Stage.PLATEAU,
                chances=chances,
            ),
        ]  # fmt: skip
    if warned is not None:
        records.append(
            Alert(
                run_id="r",
                id="x",
                code=AlertCode.LIKELY_GROKKING,
                episode=1,
                severity=Severity.WARNING,
                state=AlertState.FIRING,
                step=warned,
                time=0.0,
                message="likely",
            )
        )
    return [*records, frame(0, wavy=False), frame(250, wavy=False), frame(3_000, wavy=True)]


def corner(path: Path) -> list[float]:
    return [round(255 * float(x)) for x in imread(path)[0, 0, :3]]


@pytest.mark.parametrize("style", PALETTES)
def test_a_picture_is_drawn_in_its_style_and_makes_its_folder(tmp_path: Path, style: Style) -> None:
    path = draw_run(read_story(grokking_run()), tmp_path / "new" / "run.png", style)
    paper = PALETTES[style].paper
    assert corner(path) == [int(paper[i : i + 2], 16) for i in (1, 3, 5)]
    assert imread(path).shape[:2] == (1440, 1600)


def test_the_same_journal_gives_the_same_picture(tmp_path: Path) -> None:
    story = read_story(grokking_run())
    paths = [draw_run(story, tmp_path / f"{i}.png") for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_warning_is_drawn(tmp_path: Path) -> None:
    with_it, without = (
        imread(draw_run(read_story(grokking_run(warned=w)), tmp_path / f"{w}.png"))
        for w in (1_000, None)
    )
    red = [int(PALETTES["light"].warning[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    accuracy = slice(220, 540)
    marked, plain = (
        (np.abs(image[accuracy, :, :3] - red) < 0.02).all(axis=-1).sum(axis=0).max()
        for image in (with_it, without)
    )
    assert marked > 200
    assert plain < 50


@pytest.mark.parametrize(
    "records",
    [[], grokking_run(group=None), grokking_run(group="bits:4"), grokking_run()[:1]],
    ids=["empty", "no group", "bits", "only started"],
)
def test_a_poor_journal_is_drawn_too(tmp_path: Path, records: list[AnyRecord]) -> None:
    assert draw_run(read_story(records), tmp_path / "run.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("warned", "sentence"),
    [
        (1_000, "Warned 1,000 steps before held-out accuracy began to rise"),
        (2_500, "Warned 500 steps after held-out accuracy began to rise"),
        (None, "No warning in 3,000 steps"),
    ],
)
def test_the_headline_claims_what_was_seen(warned: int | None, sentence: str) -> None:
    assert headline(read_story(grokking_run(warned=warned))) == sentence


def test_frames_are_those_at_memorization_and_at_the_end() -> None:
    story = read_story([*grokking_run(), frame(2_000, "output", wavy=True)])
    assert story.outcome.train_step == 200
    picked = pick_frames(story)
    assert picked is not None
    assert [f.step for f in picked] == [250, 3_000]
    assert pick_frames(read_story([frame(5, wavy=False)])) is None


def test_among_frames_of_both_ends_rows_keep_the_order_of_their_own(tmp_path: Path) -> None:
    many = [
        frame(step, role, wavy=step > 1_000)
        for step in range(1, 3_001, 50)
        for role in ("input", "output")
    ]
    story = read_story([*grokking_run()[:-3], *many])
    picked = pick_frames(story)
    assert picked is not None
    assert [(f.step, f.role) for f in picked] == [(201, "input"), (2_951, "input")]
    assert story.frames[-1].role == "output"
    lopsided = WeightFrame(run_id="r", step=3_000, role="output", shape=(11, 2), data=bytes(88))
    assert draw_run(
        read_story([*grokking_run()[:-3], *many, lopsided]), tmp_path / "run.png"
    ).is_file()


def test_sparsity_follows_the_group() -> None:
    assert len(sparsity_points(read_story(grokking_run(group="bits:4")))) == len(STEPS)
    assert sparsity_points(read_story(grokking_run()[:1])) == []
