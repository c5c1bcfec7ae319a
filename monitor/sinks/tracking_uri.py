"""Reading `mlflow:` targets: which tracking server or database, and which experiment there."""

import http.client
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from grokwatch.monitor.errors import ConfigurationError, SinkError

DEFAULT_EXPERIMENT = "grokwatch"
DEFAULT_URI = "sqlite:///mlflow.db"
_ANSWER_SECONDS = 5.0
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


@dataclass(frozen=True)
class Place:
    """Where a run is tracked.

    Attributes:
        uri: MLflow's tracking URI; a path in an SQLite one is absolute.
        experiment: the experiment's name.
    """

    uri: str
    experiment: str

    @classmethod
    def parse(cls, text: str, *, default: str = DEFAULT_EXPERIMENT) -> "Place":
        """Read `http://host:5000/experiment`, `sqlite:///file.db#experiment` and their like.

        Args:
            text: a tracking URI. The fragment names the experiment; of an HTTP address without a
                fragment, the path does. Empty means the SQLite file in the working directory.
            default: the experiment where the text names none.

        Returns:
            The place.

        Raises:
            ConfigurationError: no tracking URI, or one that cannot work.

        Example:
            >>> Place.parse("http://127.0.0.1:5000/parity").experiment
            'parity'
        """
        uri, _, fragment = (text or DEFAULT_URI).partition("#")
        experiment = urllib.parse.unquote(fragment)
        scheme = uri.partition(":")[0]
        if scheme in {"http", "https"}:
            uri, path = _server(uri, has_experiment=bool(experiment))
            experiment = experiment or path
        elif scheme == "sqlite":
            uri = _absolute(uri)
        elif scheme in {"", "file"} or ("://" not in uri and uri != "databricks"):
            msg = (
                f"Expected an MLflow tracking URI with a scheme, got {uri!r}; MLflow no longer "
                f"writes into plain folders. Try 'mlflow:{DEFAULT_URI}'."
            )
            raise ConfigurationError(msg)
        return cls(uri, experiment or default)

    def reach(self) -> None:
        """Make sure that a server answers, before MLflow begins its minutes of retries.

        Any answer will do: whether it takes records is for the client to find out.

        Raises:
            SinkError: nobody listens, or nobody answers within five seconds.
        """
        parts = urllib.parse.urlsplit(self.uri)
        if parts.scheme not in _CONNECTIONS or _goes_through_proxy(parts):
            return
        connection = _CONNECTIONS[parts.scheme](parts.netloc, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", f"{parts.path}/health")
            connection.getresponse()
        except ssl.SSLError:
            return
        except (OSError, http.client.HTTPException) as error:
            msg = f"Expected an MLflow server at {self.uri}, got {error!r}. Start it, or wait."
            raise SinkError(msg) from error
        finally:
            connection.close()


def _server(uri: str, *, has_experiment: bool) -> tuple[str, str]:
    """Split an HTTP address into tracking URI and experiment."""
    parts = urllib.parse.urlsplit(uri)
    path = parts.path.strip("/")
    try:
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query:
        msg = (
            "Expected an MLflow address such as 'mlflow:http://127.0.0.1:5000/experiment', got one "
            "with no host, a bad port, a query, or a user name. Try MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD in the environment for secrets."
        )
        raise ConfigurationError(msg)
    if has_experiment:
        return uri.rstrip("/"), ""
    if "/" in path:
        msg = (
            f"Expected one experiment after the host, got {path!r}. "
            "Try 'mlflow:http://host:5000/prefix#experiment'."
        )
        raise ConfigurationError(msg)
    return f"{parts.scheme}://{parts.netloc}", urllib.parse.unquote(path)


def _absolute(uri: str) -> str:
    # The file is opened later, when the process may stand in another directory.
    prefix, path = uri[: len("sqlite:///")], uri[len("sqlite:///") :]
    if prefix != "sqlite:///" or not path:
        msg = f"Expected a file in an SQLite address, got {uri!r}. Try 'mlflow:{DEFAULT_URI}'."
        raise ConfigurationError(msg)
    return uri if path.startswith(":") else f"{prefix}{Path(path).absolute()}"


def _goes_through_proxy(parts: urllib.parse.SplitResult) -> bool:
    has_proxy = parts.scheme in urllib.request.getproxies()
    return has_proxy and not urllib.request.proxy_bypass(str(parts.hostname))
