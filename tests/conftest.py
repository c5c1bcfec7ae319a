"""What every test shares: one thread, no deadline, no outside settings, no free skips."""

import os

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"  # before torch and numpy read it; children inherit it
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MPLBACKEND"] = "Agg"

import contextlib  # noqa: E402  (the variables above must be set before anything is imported)
import sys  # noqa: E402
from collections.abc import Callable, Generator, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

Golden = Callable[[str, str], None]

_SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("grokwatch", _SHARED, derandomize=True)  # one verdict for one tree
settings.register_profile("fuzz", _SHARED, max_examples=2000)
settings.load_profile("grokwatch")

_FOLDER = Path(__file__).parent
_SKIPS = _FOLDER / "SKIPS.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write golden files, do not compare")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own GROKWATCH_ and MLFLOW_ variables out of every test."""
    for name in list(os.environ):
        if name.startswith(("GROKWATCH_MONITOR_", "GROKWATCH_CONFIG", "MLFLOW_TRACKING")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Keep torch, where it was imported, to one thread."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], contextlib.AbstractContextManager[str]]]:
    """A PostgreSQL server; a call gives the address of its database, which is empty."""
    from tests import postgres as servers  # only here, because this file is also used alone

    folder = servers.programs()
    if folder is None:
        pytest.skip("no PostgreSQL on this machine")
    with servers.server(folder) as host:
        yield lambda: servers.database(host)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store/service.db"
    else:
        with request.getfixturevalue("postgres")() as address:
            yield address


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare text with `tests/golden/<name>`; `make golden` writes the file instead."""

    def compare(name: str, text: str) -> None:
        file = _FOLDER / "golden" / name
        if request.config.getoption("--golden"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{name} changed; if right: make golden"

    return compare


def _allowed_reasons() -> set[str]:
    """Reasons that `SKIPS.md` allows in continuous integration: rows ending in `| yes |`."""
    rows = [line.strip("| ").split(" | ") for line in _SKIPS.read_text().splitlines()]
    return {row[1] for row in rows if len(row) == 4 and row[3] == "yes"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration a skip is a failure, unless `SKIPS.md` allows its reason there."""
    report = yield
    if os.environ.get("GROKWATCH_CI") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if reason.removeprefix("Skipped: ") not in _allowed_reasons():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped where nothing may be skipped: {reason}"
    return report
