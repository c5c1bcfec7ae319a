"""Parameters that several routes take, with their bounds; the API's description shows them."""

from typing import Annotated, TypeAlias

from litestar.params import PathParameter, QueryParameter

from grokwatch.monitor.service.identity import RUN_ID
from grokwatch.monitor.service.views import SORTS

_STEP = 2**53 - 1  # the largest that every JSON reader takes

RunId: TypeAlias = Annotated[str, PathParameter(pattern=RUN_ID, description="the run")]
OfRun: TypeAlias = Annotated[str | None, QueryParameter(pattern=RUN_ID, description="one run only")]
AlertId: TypeAlias = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9-]{1,64}$", description="the alert")
]
Word: TypeAlias = Annotated[str | None, QueryParameter(pattern=r"^[A-Za-z0-9_]{1,32}$")]
AlertState: TypeAlias = Annotated[
    str | None, QueryParameter(name="state", pattern=r"^[a-z]{1,32}$", description="of the alert")
]
Text: TypeAlias = Annotated[
    str, QueryParameter(max_length=256, description="part of a run's name or id")
]
Sort: TypeAlias = Annotated[str, QueryParameter(pattern=rf"^({'|'.join(SORTS)})$")]
Descending: TypeAlias = Annotated[bool, QueryParameter(description="largest or newest first")]
PageSize: TypeAlias = Annotated[int, QueryParameter(ge=1, le=500)]
Offset: TypeAlias = Annotated[int, QueryParameter(ge=0, le=10**9)]
Keys: TypeAlias = Annotated[
    str, QueryParameter(max_length=8192, description="keys of values, apart by commas, at most 50")
]
Step: TypeAlias = Annotated[int | None, QueryParameter(ge=-_STEP, le=_STEP)]
Points: TypeAlias = Annotated[int, QueryParameter(ge=2, le=20_000, description="about how many")]
Hook: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=512, description="one hook only, as /v1/alerts names it")
]
