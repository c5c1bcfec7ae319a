"""What later versions must still say, and still be able to read."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from grokwatch.monitor import journal, wire
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Concern,
    Evaluation,
    Evidence,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
    WeightFrame,
    alert_id,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage
from grokwatch.monitor.watcher import replay
from tests.conftest import Golden

FOLDER = Path(__file__).parent.parent / "golden"
SLICES = sorted(path.stem for path in (FOLDER / "slices").glob("*.jsonl"))
PREDICTORS = (
    "threshold:",
    "baseline:never",
    "baseline:always",
    "baseline:after_memorization",
    "weight_norm:",
    "oscillation:",
    "commutator:",
    "spectral_entropy:",
    "norm_law:",
    "dmd:",
    "change_point:",
)


def read_slice(name: str) -> list[AnyRecord]:
    lines = (FOLDER / "slices" / f"{name}.jsonl").read_bytes().splitlines()
    return [wire.from_json(line) for line in lines]


def alarms(name: str, predictor: str) -> list[str]:
    records = replay(read_slice(name), predictor=predictor)
    return [f"{r.step} {r.code.value} {r.state.value}" for r in records if isinstance(r, Alert)]


def test_golden_alarms(golden: Golden) -> None:
    table = {name: {p: alarms(name, p) for p in PREDICTORS} for name in SLICES}
    golden("alarms.json", json.dumps(table, indent=1) + "\n")


def warnings(name: str, predictor: str) -> list[str]:
    """Alarms that the run is likely to grok, which is what the slices are about."""
    return [alarm for alarm in alarms(name, predictor) if " GRK001 " in alarm]


def test_the_slices_hold_a_run_that_groks_and_runs_that_bite() -> None:
    assert len(SLICES) == 4
    assert warnings("addition-seed-3", "threshold:")
    for name in SLICES:
        if name != "addition-seed-3":
            assert not warnings(name, "threshold:")
            assert warnings(name, "baseline:after_memorization")


RUN = "golden"
JUDGED = Assessment(
    run_id=RUN,
    step=40,
    time=1.5,
    predictor="threshold@1",
    stage=Stage.CIRCUIT_FORMATION,
    chances=(Chance(horizon_steps=400, probability=0.9),),
    rising=(Chance(horizon_steps=400, probability=0.95),),
    evidence=(Evidence(signal="weight_norm", contribution=float("-inf")),),
    concerns=(Concern(code=AlertCode.NUMERICALLY_STUCK, reason="frozen"),),
)
RECORDS: tuple[AnyRecord, ...] = (
    RunStarted(
        run_id=RUN,
        time=0.0,
        name="<b>golden</b>",
        group="cyclic:67",
        guesses=("none",),
        signals=(SignalInfo(name="a", unit="steps", summary="First.", access="solution"),),
    ),
    Observation(run_id=RUN, step=40, time=1.5, train_loss=float("nan"), values={"a@input": -0.0}),
    JUDGED,
    Alert(
        run_id=RUN,
        id=alert_id(RUN, AlertCode.LIKELY_GROKKING, 1),
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        step=40,
        time=1.5,
        message="likely",
        assessment=JUDGED,
        spared=True,
    ),
    Evaluation(run_id=RUN, step=40, time=1.6, test_loss=float("inf"), test_accuracy=0.5),
    WeightFrame(run_id=RUN, step=40, role="input", shape=(1, 2), data=bytes(8)),
    RunEnded(run_id=RUN, step=40, time=2.0, status=RunStatus.FINISHED),
)


def test_golden_journal_of_each_schema_is_still_read(
    golden: Golden, request: pytest.FixtureRequest
) -> None:
    kept = FOLDER / "journals" / wire.SCHEMA
    if request.config.getoption("--golden") and not kept.is_dir():
        write(kept)
    newest = [as_of_1_0(record) for record in journal.read(kept)]
    for folder in sorted((FOLDER / "journals").iterdir()):
        report = journal.inspect(folder)
        assert (report.num_records, report.problems) == (len(RECORDS), ())
        after_start = [as_of_1_0(record) for record in journal.read(folder)][1:]
        assert after_start == newest[1:]
    lines = [wire.to_json(record).decode() for record in journal.read(kept)]
    golden("wire.jsonl", "\n".join(lines) + "\n")


def as_of_1_0(record: AnyRecord) -> bytes:
    """A record without what schemas 1.2 and 1.3 put into judgements; 1.1 changed the start only."""
    if isinstance(record, Alert):
        judged = record.assessment and replace(record.assessment, concerns=(), rising=())
        record = replace(record, assessment=judged, spared=False)
    elif isinstance(record, Assessment):
        record = replace(record, concerns=(), rising=())
    return wire.encode(record)


def test_golden_journal_is_what_this_version_writes(tmp_path: Path) -> None:
    write(tmp_path / "new")
    name = "0001-000000.journal"
    kept = (FOLDER / "journals" / wire.SCHEMA / name).read_bytes()
    assert (tmp_path / "new" / name).read_bytes() == kept, "the format changed: raise its schema"


def write(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as root:
        with journal.Journal.open(Path(root), RUN) as opened:
            opened.append([replace(record, seq=seq) for seq, record in enumerate(RECORDS, start=1)])
        directory.mkdir(parents=True)
        for file in opened.directory.glob("*.journal"):
            shutil.copyfile(file, directory / file.name)
