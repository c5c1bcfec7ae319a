import contextlib
import http.server
import itertools
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.preview.pictures import views
from dashboards.preview.proxy import serving
from dashboards.preview.rehearsal import Moment, Part, parts
from dashboards.preview.zoom import span_of
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.records import AnyRecord, Observation, RunStarted, WeightFrame

ROOT = Path(__file__).parents[2]
PREVIEW = ROOT / "dashboards" / "preview"
PACKAGE: Mapping[str, Any] = json.loads((PREVIEW / "package.json").read_text())
LOCK: Mapping[str, Any] = json.loads((PREVIEW / "package-lock.json").read_text())
ASKED = ("dependencies", "devDependencies")
PINNED = re.compile(r"\d+\.\d+\.\d+")
PATIENCE = 10


def drawn_kinds() -> set[str]:
    listed = json.loads((PREVIEW / "src" / "kinds.json").read_text())
    return {kind for kinds in listed.values() for kind in kinds}


def used_kinds(file: Path) -> set[str]:
    panels = json.loads(file.read_text())["panels"]
    return {each["type"] for panel in panels for each in [panel, *panel.get("panels", [])]}


class Upstream(http.server.BaseHTTPRequestHandler):
    answer = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None: ...


@contextlib.contextmanager
def answering(text: bytes, status: int = 200) -> Iterator[str]:
    handler = type("Answering", (Upstream,), {"answer": text, "status": status})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def got(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def run_of(start: float) -> list[AnyRecord]:
    return [
        RunStarted(run_id="a", seq=1, time=start, name="a"),
        Observation(run_id="a", seq=2, step=1, time=start + 1.0, train_loss=1.0),
        WeightFrame(run_id="a", seq=3, step=1, role="input", shape=(0, 0), data=b""),
        Observation(run_id="a", seq=4, step=2, time=start + 2.0, train_loss=0.5),
    ]


@pytest.mark.parametrize("section", ASKED)
def test_every_package_is_pinned_and_locked_at_that_version(section: str) -> None:
    wanted = PACKAGE[section]
    assert wanted
    assert LOCK["packages"][""][section] == wanted
    for name, version in wanted.items():
        assert PINNED.fullmatch(version), name
        assert LOCK["packages"][f"node_modules/{name}"]["version"] == version


def test_the_lock_names_hashes_and_no_hosts() -> None:
    assert "://" not in (PREVIEW / "package-lock.json").read_text()
    packages = {name: item for name, item in LOCK["packages"].items() if name}
    without = {name for name, item in packages.items() if "integrity" not in item}
    assert not without
    assert LOCK["lockfileVersion"] == 3


def test_the_preview_can_draw_every_kind_of_panel_that_our_dashboards_use() -> None:
    files = sorted((ROOT / "dashboards" / "grafana").glob("*.json"))
    assert files
    for file in files:
        assert used_kinds(file) <= drawn_kinds(), file.name


def test_each_kind_that_is_listed_has_something_that_draws_it() -> None:
    code = (PREVIEW / "src" / "kinds" / "index.js").read_text()
    table = code[code.index("export const KINDS") :]
    keys = re.findall(r'^  "?([a-z-]+)"?: \w+Panel,$', table, re.MULTILINE)
    assert {*keys, "row"} == drawn_kinds()


def test_a_picture_is_taken_for_each_width_and_theme() -> None:
    names = [view.file.name for view in views(["run"], Path(), with_phone=True)]
    assert names == ["run.png", "run-dark.png", "run-phone.png", "run-phone-dark.png"]


def test_the_page_gets_files_dashboards_and_answers_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("1")
    with (
        answering(b"answer") as upstream,
        serving(tmp_path, upstream, {"run": b"{}"}) as home,
    ):
        assert got(f"{home}/main.js") == (200, b"1")
        assert got(f"{home}/dashboards/run.json") == (200, b"{}")
        assert got(f"{home}/dashboards/other.json")[0] == 404
        assert got(f"{home}/api/v1/query?query=up") == (200, b"answer")
        assert got(f"{home}/api/v1/label/run/values") == (200, b"answer")
        assert got(f"{home}/api/v1/admin/tsdb/snapshot")[0] == 404


def test_a_question_that_is_refused_stays_refused(tmp_path: Path) -> None:
    with answering(b"bad query", 400) as upstream, serving(tmp_path, upstream, {}) as home:
        assert got(f"{home}/api/v1/query_range?query=(") == (400, b"bad query")


def test_a_run_speaks_again_at_its_own_pace_and_each_record_once() -> None:
    records = run_of(start=1_000.0)
    part = Part(records=records, start=10.0)
    ticks = [-1.0, 9.9, 10.5, 11.0, 11.5, 60.0]
    turns = [list(part.due(since, until)) for since, until in itertools.pairwise(ticks)]
    assert turns == [[], records[:1], records[1:3], [], records[3:]]


def test_runs_are_found_wherever_their_journals_lie(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "some" / "where", "a") as journal:
        journal.append(run_of(start=0.0))
    (part,) = parts(tmp_path)
    assert [record.seq for record in part.records] == [1, 2, 3, 4]
    assert part.end == part.start + 2.0


@pytest.mark.parametrize(
    ("times", "expected"),
    [((), (0.0, 500.0)), ((100.0, 200.0), (97.0, 203.0)), ((100.0, 500.0), (88.0, 500.0))],
)
def test_the_page_of_a_run_shows_the_time_in_which_it_was_heard_of(
    times: tuple[float, ...], expected: tuple[float, float]
) -> None:
    series = [{"values": [[time, "1"] for time in times]}] if times else []
    text = json.dumps({"data": {"result": series}}).encode()
    with answering(text) as address:
        span = span_of(address, "a", Moment(start=0.0, end=500.0))
    assert (span.start, span.end) == expected
