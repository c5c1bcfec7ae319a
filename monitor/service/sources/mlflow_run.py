"""One run of an MLflow server, as far as it went: what `grokwatch replay` reads."""

import contextlib
from collections.abc import Mapping

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.service.sources._memory import SourceMemory
from grokwatch.monitor.service.sources._rest import MlflowServer, address_of
from grokwatch.monitor.service.sources._tail import Tail
from grokwatch.monitor.service.sources.names import check
from grokwatch.monitor.sinks.tracking_uri import Place


def past(
    target: str, *, names: Mapping[str, str], environment: Mapping[str, str]
) -> list[AnyRecord]:
    """Every record of one run, as far as it went.

    Args:
        target: `mlflow:http://host:5000/RUN_ID`, or the address of the run's page after `mlflow:`.
        names: what metrics mean, their name -> ours.
        environment: holds the server's credentials.

    Returns:
        The records; none where nothing that was logged means anything to us.

    Raises:
        ConfigurationError: no such target, or no such run.
        SourceError: the server does not answer.
    """
    check(names)
    address, _, run_id = address_of(target).split("?")[0].rstrip("/").rpartition("/")
    base = address.partition("#")[0] if "#" in address else "/".join(address.split("/")[:3])
    server = MlflowServer(Place.parse(f"{base}#any").uri, environment=environment)
    with contextlib.closing(server):
        run = server.run(run_id)
        if run is None:
            msg = (
                f"Expected the id of an MLflow run at the end of the target, got {run_id!r}, which "
                "the server does not have. Try 'mlflow:http://host:5000/RUN_ID'."
            )
            raise ConfigurationError(msg)
        tail = Tail(server, run, SourceMemory(), given=names, is_patient=False)
        return [record for part in tail.parts(1) for record in part]
