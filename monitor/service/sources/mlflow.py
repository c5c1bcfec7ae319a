"""An MLflow server as a source of runs: finds them, and reads on where it was.

Target: `mlflow:http://host:5000/experiment`; without an experiment all of them. The server is asked
over REST, so any client may have logged the runs, and the service needs no MLflow.

What is remembered of a run is committed together with its records, and read back from there: a
restart neither loses nor doubles any. Runs that are over and read are skipped without a question.
A run that our own sink logged and that is pushed as well is left to its push.
Points that are logged into the past of a history, before those already read, may be missed.
"""

import zlib
from collections.abc import Generator, Iterator, Mapping
from typing import final

from grokwatch.monitor.errors import SourceError
from grokwatch.monitor.service.identity import is_run_id
from grokwatch.monitor.service.sources._answers import Run
from grokwatch.monitor.service.sources._fetched import Fetched, Leave, Recall, our_id
from grokwatch.monitor.service.sources._memory import SourceMemory, remembered
from grokwatch.monitor.service.sources._rest import SCHEME, MlflowServer, address_of
from grokwatch.monitor.service.sources._rows import Scribe
from grokwatch.monitor.service.sources._tail import Tail, status_of
from grokwatch.monitor.service.sources._watched import Watched
from grokwatch.monitor.service.sources.names import check
from grokwatch.monitor.service.views import Batch
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.state import pack
from grokwatch.monitor.vocabulary import RunStatus

_PARTS_PER_LOOK = 40
_WHOLE_LISTING = 60
_MOST_SINGLE = 50
_MOST_SETTLED = 100_000
_LOOKS_FOR_A_PUSH = 6  # a minute, in which a trainer that could not push has tried again
_RUNNING = "attributes.status = 'RUNNING'"


@final
class MlflowSource:
    """Polls one server.

    Args:
        server: to ask.
        experiment: its name; "" for all experiments.
        names: what metrics mean, their name -> ours; else it is guessed.
        public_url: address that people reach the server by; "" for the one that is asked.

    Attributes:
        target: as it is shown, without credentials.
        address: of the server.
    """

    def __init__(
        self,
        server: MlflowServer,
        experiment: str = "",
        *,
        names: Mapping[str, str],
        public_url: str = "",
    ) -> None:
        check(names)
        self.target = f"{SCHEME}{server.address}" + (f"/{experiment}" if experiment else "")
        self.address = server.address
        self._server = server
        self._experiment = experiment
        self._names = dict(names)
        self._page = public_url.rstrip("/") or server.address
        self._polls = 0
        self._watched: dict[str, Watched] = {}
        self._settled: dict[str, int] = {}

    def poll(self, recall: Recall, leave: Leave | None = None) -> Generator[Fetched, None, None]:
        """Look once at every run that may have something new.

        The caller commits each piece before it asks for the next, or else closes the iterator: what
        is not committed is fetched again at a later poll.

        Args:
            recall: run id -> the memory that was committed last.
            leave: asked about runs that our own sink logged; without it all are read.

        Yields:
            Pieces; those of one run in order.

        Raises:
            SourceError: the server does not answer; or it refused to show some runs, after all
                others were read.
        """
        is_whole, polls = self._polls % _WHOLE_LISTING == 0, self._polls + 1
        self._polls = 0  # until this one is through, the next one is a whole one
        trouble: SourceError | None = None
        for run in self._listed(is_whole=is_whole):
            try:
                yield from self._visit(run, recall, leave)
            except SourceError as error:
                if error.is_away:
                    raise
                trouble = trouble or error
        yield from self._gone(recall)
        self._polls = polls
        if trouble is not None:
            raise trouble

    def reach(self) -> str:
        """Ask the server for what would be watched.

        Returns:
            What there is, in words.

        Raises:
            SourceError: it does not answer, or has no such experiment.
        """
        if self._experiment:
            return f"experiment {self._server.experiment(self._experiment)} is there"
        return f"{len(self._server.experiments())} experiments are there"

    def close(self) -> None:
        """Let go of connections."""
        self._server.close()

    def _listed(self, *, is_whole: bool) -> Iterator[Run]:
        """Runs to look at, each once."""
        name = self._experiment
        experiments = (self._server.experiment(name),) if name else self._server.experiments()
        if not experiments:
            return
        done: set[str] = set()
        if not is_whole:
            yield from _new(self._recent(experiments), done)
        if is_whole or len(self._watched.keys() - done) > _MOST_SINGLE:
            yield from _new(self._server.runs(experiments), done)
        for run_id in sorted(self._watched.keys() - done):
            missed = self._server.run(run_id)
            if missed is None:
                self._watched[run_id].is_gone = True
            else:
                yield missed

    def _recent(self, experiments: tuple[str, ...]) -> Iterator[tuple[Run, ...]]:
        """Runs that go on, and the newest ones up to a page of known ones."""
        yield from self._server.runs(experiments, _RUNNING)
        for page in self._server.runs(experiments):
            is_known = all(self._knows(run.info.run_id) for run in page)
            yield page
            if is_known:
                return

    def _knows(self, run_id: str) -> bool:
        return run_id in self._settled or run_id in self._watched

    def _visit(self, run: Run, recall: Recall, leave: Leave | None) -> Iterator[Fetched]:
        """Read on in one run, unless it is settled or left to its push."""
        run_id = run.info.run_id
        if self._settled.get(run_id) == _fingerprint(run):
            return
        memory = remembered(recall(run_id))
        watched = self._watched.setdefault(run_id, Watched())
        watched.looks += 1
        ours = our_id(run) if leave is not None else ""
        if leave is not None and ours and (memory.is_left or leave(ours, run_id, self._link(run))):
            yield from self._left(run, memory, ours)
        elif not ours or memory.attempt or watched.looks > _LOOKS_FOR_A_PUSH:
            yield from self._look(run, memory, watched)

    def _left(self, run: Run, memory: SourceMemory, ours: str) -> Iterator[Fetched]:
        """Leave a run to its push; what was read of it before ends here."""
        memory.is_left = True
        yield from _ended(run.info.run_id, memory, f"it is pushed, and goes on as {ours}")
        self._settle(run, _fingerprint(run), SourceMemory())

    def _look(self, run: Run, memory: SourceMemory, watched: Watched) -> Iterator[Fetched]:
        """Read on in one run."""
        fingerprint = _fingerprint(run)
        if fingerprint in {memory.fingerprint, watched.fingerprint} and not watched.is_due:
            self._settle(run, fingerprint, memory)
            return
        tail = Tail(self._server, run, memory, given=self._names, is_patient=watched.is_patient)
        if status_of(run) is None and not memory.attempt and watched.is_growing(run):
            return
        before = memory.seq
        yield from self._read(tail, run, fingerprint)
        watched.note(tail, fingerprint if memory.seq == before else 0)
        if not memory.metrics:
            self._settle(run, fingerprint, memory)

    def _read(self, tail: Tail, run: Run, fingerprint: int) -> Iterator[Fetched]:
        before = tail.memory.seq
        for count, records in enumerate(tail.parts(fingerprint), 1):
            yield Fetched(
                batch=Batch(records=tuple(records), after=before),
                run_id=run.info.run_id,
                memory=pack(tail.memory),
                link=self._link(run),
            )
            before = tail.memory.seq
            if count >= _PARTS_PER_LOOK:
                return

    def _settle(self, run: Run, fingerprint: int, memory: SourceMemory) -> None:
        """Ask no more for a run that is over, and read as far as it will ever be."""
        if status_of(run) is None or (memory.metrics and not memory.is_over):
            return
        self._watched.pop(run.info.run_id, None)
        self._settled[run.info.run_id] = fingerprint
        if len(self._settled) > _MOST_SETTLED:
            del self._settled[next(iter(self._settled))]

    def _gone(self, recall: Recall) -> Iterator[Fetched]:
        """End runs that were deleted in MLflow."""
        for run_id in [run_id for run_id, watched in self._watched.items() if watched.is_gone]:
            yield from _ended(run_id, remembered(recall(run_id)), "its run was deleted in MLflow")
            del self._watched[run_id]

    def _link(self, run: Run) -> str:
        info = run.info
        return f"{self._page}/#/experiments/{info.experiment_id}/runs/{info.run_id}"


def connect(
    target: str,
    *,
    names: Mapping[str, str],
    environment: Mapping[str, str],
    public_url: str = "",
) -> MlflowSource:
    """Make the source that a target names, without contacting it.

    Args:
        target: `mlflow:http://host:5000/experiment`; the experiment may be left out.
        names: what metrics mean, their name -> ours.
        environment: holds the server's credentials, see `MlflowServer`.
        public_url: address that people reach the server by.

    Returns:
        The source.

    Raises:
        ConfigurationError: no such target, or a name of ours that there is not.

    Example:
        >>> connect("mlflow:http://127.0.0.1:5000/parity", names={}, environment={}).target
        'mlflow:http://127.0.0.1:5000/parity'
    """
    place = Place.parse(address_of(target), default="")
    server = MlflowServer(place.uri, environment=environment)
    return MlflowSource(server, place.experiment, names=names, public_url=public_url)


def _ended(run_id: str, memory: SourceMemory, message: str) -> Iterator[Fetched]:
    """End a run that is not read any more, if anything was read of it."""
    if not memory.attempt or memory.is_over:
        return
    before = memory.seq
    ended = Scribe(run_id, memory).end(
        time=memory.time, status=RunStatus.INTERRUPTED, message=message
    )
    batch = Batch(records=(ended,), after=before)
    yield Fetched(batch=batch, run_id=run_id, memory=pack(memory), link="")


def _new(pages: Iterator[tuple[Run, ...]], done: set[str]) -> Iterator[Run]:
    """Runs of pages that are not done yet; they are then."""
    for page in pages:
        for run in page:
            run_id = run.info.run_id
            if run_id not in done and is_run_id(run_id):
                done.add(run_id)
                yield run


def _fingerprint(run: Run) -> int:
    """Tells one state of a run from the next, by its end and the newest point of each metric."""
    info, points = run.info, sorted((p.key, p.mark) for p in run.data.metrics)
    return zlib.crc32(repr((info.status, info.end_time, points)).encode()) or 1
