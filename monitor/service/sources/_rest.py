"""What an MLflow server is asked, over REST: experiments, runs, and pages of metric histories.

The server is not trusted: answers are read up to a size and a time, and must be of their shape.
Redirects are not followed. The MLflow client is not used: the service does without it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar, final
from urllib.parse import urlsplit

import httpx
import msgspec

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError, SourceError
from grokwatch.monitor.service.sources._answers import (
    Answer,
    Experiments,
    Found,
    History,
    Named,
    Run,
    Runs,
)

POINTS_PER_PAGE = 200
"""A page is asked for again as long as points may come to its end; a small one costs less."""

_RUNS_PER_PAGE = 100
_MOST_PAGES = 10_000
_MOST_BYTES = 32 * 2**20
_SECONDS = 30.0
SCHEME: Final = "mlflow:"
_API: Final = "/api/2.0/mlflow"
AnswerT = TypeVar("AnswerT", bound=Answer)


@final
class MlflowServer:
    """Asks one server.

    Args:
        address: `http://host:5000`, without credentials.
        environment: holds `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`,
            where the server wants them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        address: str,
        *,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address.rstrip("/")
        self._clock = clock
        name = environment.get("MLFLOW_TRACKING_USERNAME")
        password = environment.get("MLFLOW_TRACKING_PASSWORD")
        token = environment.get("MLFLOW_TRACKING_TOKEN")
        has_password = name is not None and password is not None
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token and not has_password:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            auth=(name, password) if name is not None and password is not None else None,
            headers=headers,
            timeout=10.0,
        )

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def experiment(self, name: str) -> str:
        """Id of the experiment of that name.

        Raises:
            SourceError: there is none, or the server does not answer as it should.
        """
        path = "/experiments/get-by-name"
        found = self._maybe(Named, path, params={"experiment_name": name})
        if found is None:
            msg = (
                f"Expected an experiment {name!r} at {self.address}, got none of that name. "
                "Try its exact name, or wait until its first run."
            )
            raise SourceError(msg)
        return found.experiment.experiment_id

    def experiments(self) -> tuple[str, ...]:
        """Ids of all experiments."""
        found: list[str] = []
        token = ""
        for _ in range(_MOST_PAGES):
            query = {"max_results": 1000, "page_token": token}
            page = self._ask(Experiments, "/experiments/search", body=query)
            found += [experiment.experiment_id for experiment in page.experiments]
            if not page.next_page_token or page.next_page_token == token:
                break
            token = page.next_page_token
        return tuple(found)

    def runs(self, experiments: tuple[str, ...], condition: str = "") -> Iterator[tuple[Run, ...]]:
        """Runs, the newest first, in pages; deleted ones are left out.

        Args:
            experiments: ids.
            condition: in MLflow's filter language; "" for all.

        Yields:
            Pages.
        """
        token = ""
        for _ in range(_MOST_PAGES):
            query = {
                "experiment_ids": experiments,
                "filter": condition,
                "run_view_type": "ACTIVE_ONLY",
                "max_results": _RUNS_PER_PAGE,
                "order_by": ["attributes.start_time DESC"],
                "page_token": token,
            }
            page = self._ask(Runs, "/runs/search", body=query)
            yield page.runs
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token

    def run(self, run_id: str) -> Run | None:
        """One run; None where there is none, or it was deleted."""
        found = self._maybe(Found, "/runs/get", params={"run_id": run_id})
        is_there = found is not None and found.run.info.lifecycle_stage == "active"
        return found.run if found is not None and is_there else None

    def history(self, run_id: str, metric: str, token: str) -> History:
        """A page of the points of one metric."""
        query: dict[str, str | int] = {
            "run_id": run_id,
            "metric_key": metric,
            "max_results": POINTS_PER_PAGE,
        }
        if token:
            query["page_token"] = token
        return self._ask(History, "/metrics/get-history", params=query)

    def _maybe(
        self, kind: type[AnswerT], path: str, *, params: Mapping[str, str]
    ) -> AnswerT | None:
        status, body = self._send(path, params=params)
        return None if status == httpx.codes.NOT_FOUND else self._read(kind, status, body)

    def _ask(
        self,
        kind: type[AnswerT],
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> AnswerT:
        return self._read(kind, *self._send(path, params=params, body=body))

    def _read(self, kind: type[AnswerT], status: int, body: bytes) -> AnswerT:
        """An answer of its shape."""
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            msg = (
                f"Expected MLflow at {self.address} to let us read, got {status}. Try "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment, or "
                "the server's --allowed-hosts."
            )
            raise SourceError(msg, is_away=True)
        if status != httpx.codes.OK:
            raise self._refused(f"status {status}")
        try:
            return msgspec.json.decode(body, type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._refused(f"an answer that cannot be read: {error}") from error

    def _send(
        self,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of an answer, read up to a size and a time."""
        method = "GET" if body is None else "POST"
        address, deadline = f"{self.address}{_API}{path}", self._clock() + _SECONDS
        content = bytearray()
        try:
            with self._client.stream(method, address, params=params, json=body) as answer:
                for part in answer.iter_raw(65_536):
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise self._refused(f"more than {_MOST_BYTES} bytes")
                    if self._clock() > deadline:
                        raise self._refused(f"no end within {_SECONDS:.0f} s", is_away=True)
                return answer.status_code, bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = strip_credentials(str(error)) or type(error).__name__
            raise self._refused(reason, is_away=True) from error

    def _refused(self, reason: str, *, is_away: bool = False) -> SourceError:
        msg = f"Expected MLflow at {self.address} to answer, got {reason[:300]}. Try again later."
        return SourceError(msg, is_away=is_away)


def address_of(target: str) -> str:
    """The address in a target of a source.

    Raises:
        ConfigurationError: it is no MLflow server's.
    """
    address = target.removeprefix(SCHEME)
    if not target.startswith(SCHEME) or not _is_http(address):
        msg = (
            "Expected an MLflow server to read from, by http or https, got a target that names "
            "none. Try 'mlflow:http://127.0.0.1:5000/experiment'; start one for a database with "
            "'mlflow server --backend-store-uri sqlite:///mlflow.db'."
        )
        raise ConfigurationError(msg)
    return address


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False
