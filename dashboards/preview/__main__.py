"""Draws our dashboards as Grafana would: `python -m dashboards.preview`, or `make preview`.

Runs are first replayed before a real Prometheus and a real service; `--data` keeps what was seen
there for the next time, and `--prometheus` looks at one that runs already. See `docs/preview.md`.
"""

import argparse
import contextlib
import json
import logging
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from dashboards.preview.pictures import take, views
from dashboards.preview.proxy import serving
from dashboards.preview.rehearsal import MOMENT, Moment, rehearse
from dashboards.preview.runs import SHOWN, TASK, train
from dashboards.preview.servers import prometheus
from dashboards.preview.zoom import span_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

_log = logging.getLogger("dashboards.preview")


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures that were asked for.

    Args:
        arguments: of the command line.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asked = _parser().parse_args(arguments)
    build()
    files: list[Path] = asked.dashboards or sorted(ROOT.glob("dashboards/grafana/*.json"))
    dashboards = {file.stem: file.read_bytes() for file in files}
    with (
        _seen(asked) as (address, moment),
        serving(HERE / "build", address, dashboards) as home,
    ):
        for name, text in dashboards.items():
            chosen = _chosen(text, asked)
            span = span_of(address, chosen["run"], moment) if "run" in chosen else moment
            for line in take(home, views([name], asked.to, with_phone=asked.phone), span, chosen):
                _log.warning("%s", line)
    _log.info("The pictures are in %s.", asked.to)


def build() -> None:
    """Install what the page is made of, where it is not there yet, and bundle it."""
    if not (HERE / "node_modules").exists():
        subprocess.run(["npm", "ci"], cwd=HERE, check=True)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=HERE, check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dashboards.preview", description=__doc__)
    parser.add_argument("dashboards", nargs="*", type=Path, help="JSON files; all of ours")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "pictures" / "dashboards")
    parser.add_argument("--journals", type=Path, help="runs to replay; else they are trained")
    parser.add_argument("--data", type=Path, help="where Prometheus keeps what it saw")
    parser.add_argument("--prometheus", help="address of one that runs; the past is --minutes")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the past, to look at")
    parser.add_argument("--run", default=SHOWN, help="the run that pages of one run show")
    parser.add_argument("--task", default=TASK, help="the task that pages of one task show")
    parser.add_argument("--rules", nargs="*", type=Path, default=[], help="rules to follow")
    parser.add_argument("--phone", action="store_true", help="take pictures of a phone's width too")
    return parser


def _chosen(dashboard: bytes, asked: argparse.Namespace) -> Mapping[str, str]:
    """What its variables are set to: the run, else the task where a page is of one task."""
    variables = {v["name"]: v for v in json.loads(dashboard)["templating"]["list"]}
    if "run" in variables:
        return {"run": asked.run}
    has_one_task = "task" in variables and not variables["task"].get("includeAll")
    return {"task": asked.task} if has_one_task else {}


@contextlib.contextmanager
def _seen(asked: argparse.Namespace) -> Iterator[tuple[str, Moment]]:
    """A Prometheus to look at, and the time to show."""
    if asked.prometheus:
        now = time.time()
        yield asked.prometheus, Moment(start=now - 60 * asked.minutes, end=now)
        return
    with contextlib.ExitStack() as stack:
        folder = asked.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / MOMENT).exists():
            journals = asked.journals or folder / "journals"
            if asked.journals is None:
                train(journals)
            rehearse(journals, folder, asked.rules)
        moment = msgspec.json.decode((folder / MOMENT).read_bytes(), type=Moment)
        yield stack.enter_context(prometheus(folder)), moment


if __name__ == "__main__":
    main()
