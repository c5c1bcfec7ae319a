"""Asks the API everything that its own description allows, and much that it does not."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service_web import WRITE, app_of, stocked

APP = app_of(stocked(), hosts=("testserver",))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP, headers=WRITE)
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
ENDLESS = "/v1/events"
WITHOUT_PARAMETERS = {"/healthz", "/readyz", "/metrics"}
FOUND: list[Any] = list(SCHEMA.get_all_operations())
OPERATIONS = [each.ok() for each in FOUND if each.ok().path != ENDLESS]
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.path not in WITHOUT_PARAMETERS
]
EXAMPLES = settings().max_examples // 5

pytestmark = pytest.mark.hypothesis


def test_the_description_lists_what_there_is_to_ask() -> None:
    assert len(OPERATIONS) == 13


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_breaks_what_the_api_says_of_itself(
    operation: Any, mode: GenerationMode
) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        answer = case.call(headers={**(case.headers or {}), **WRITE})
        case.validate_response(answer, checks=CHECKS)

    ask()
