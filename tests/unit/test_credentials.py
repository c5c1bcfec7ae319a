"""No password is stored or shown, and no address is changed that has none."""

import pytest

from grokwatch.monitor.credentials import strip_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mlflow:http://u:p@host:5/x", "mlflow:http://host:5/x"),
        ("mlflow:http://u:p@ss@host/x@y", "mlflow:http://host/x@y"),
        ("mlflow:http://token@host", "mlflow:http://host"),
        ("mlflow:http://u:p@[::1]:5/x", "mlflow:http://[::1]:5/x"),
        ("mlflow:postgresql://u:p/q?r#s@db/mlflow", "mlflow:postgresql://db/mlflow"),
        ("//u:p@host", "//host"),
        ("http://u:p@h/x y@z", "http://h/x y@z"),
        ("no http://u:p@h and no http://v:q@i", "no http://h and no http://i"),
    ],
)
def test_credentials_are_left_out(text: str, shown: str) -> None:
    assert strip_credentials(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "log:",
        "mlflow:sqlite:///mlflow.db",
        "mlflow:sqlite:///a@b.db",
        "mlflow:sqlite:////a@b/x.db",
        "mlflow:http://host:5000/x@y",
        "mlflow:http://host:5000#x@y",
        "mlflow:http://host/x:y@z",
        "mlflow:http://[::1]:5000/x@y",
        "http://host:5000 ann@example.org",
    ],
)
def test_an_address_without_credentials_stays_as_it_is(text: str) -> None:
    assert strip_credentials(text) == text
