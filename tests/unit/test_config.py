import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from grokwatch.monitor import config
from grokwatch.monitor.errors import ConfigurationError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def create(text: str) -> Path:
        file = tmp_path / "grokwatch.toml"
        file.write_text(text)
        return file

    return create


def test_what_metrics_mean_may_come_from_the_environment_as_json() -> None:
    names = '{"acc": "train_accuracy"}'
    found = config.load(environment={"GROKWATCH_SERVICE_METRIC_NAMES": names})
    assert found.service.metric_names == {"acc": "train_accuracy"}
    with pytest.raises(ConfigurationError, match=r"service\.metric_names to be valid, got 'acc=x'"):
        config.load(environment={"GROKWATCH_SERVICE_METRIC_NAMES": "acc=x"})


def test_defaults_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = config.load(environment={}).monitor
    assert section == config.MonitorSection()
    assert section.sinks == ("mlflow:sqlite:///mlflow.db", "prometheus:127.0.0.1:9109")


def test_precedence_argument_environment_file_default(write: Write) -> None:
    file = write('[monitor]\ndirectory = "file"\npredictor = "file:"\nhooks = ["file:"]\n')
    environment = {"GROKWATCH_MONITOR_DIRECTORY": "env", "GROKWATCH_MONITOR_PREDICTOR": "env:"}
    arguments = {"monitor": {"directory": "argument", "predictor": None}}
    section = config.load(file, environment=environment, arguments=arguments).monitor
    assert section.directory == "argument"
    assert section.predictor == "env:"
    assert section.hooks == ("file:",)
    assert section.budget == 0.01


def test_the_file_in_the_working_directory_is_found(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write("[monitor]\nbudget = 0.05\n").parent)
    assert config.load(environment={}).monitor.budget == 0.05


def test_the_environment_can_name_the_file(write: Write) -> None:
    file = write('[monitor]\nsinks = ["a:b", "c:d"]\n')
    assert config.load(environment={"GROKWATCH_CONFIG": str(file)}).monitor.sinks == ("a:b", "c:d")


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("sinks", "a:b, c:d", ("a:b", "c:d")),
        ("sinks", "", ()),
        ("budget", "0.25", 0.25),
        ("budget", "none", None),
        ("signals", "full", "full"),
        ("signals", "none", None),
        ("directory", "none", "none"),
    ],
)
def test_environment_values_are_text(key: str, text: str, expected: object) -> None:
    loaded = config.load(environment={config.variable("monitor", key): text})
    assert getattr(loaded.monitor, key) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[monitor]\nsink = []\n",
            r"Expected a known key of \[monitor\] .*got 'sink'.*mean 'sinks'\?",
        ),
        ("[monitr]\n", r"Expected a known section .*got 'monitr'. Did you mean 'monitor'\?"),
        ("[zzz]\n", r"got 'zzz'. Try one of them, or remove it\."),
        ("monitor = 3\n", r"Expected a table \[monitor\].*got 3"),
        ("[monitor\n", r"Expected TOML in .*grokwatch\.toml"),
        ("[monitor]\nbudget = 2.0\n", r"monitor\.budget .*got 2\.0.*Try its default, 0\.01"),
        ("[monitor]\nbudget = 'much'\n", r"monitor\.budget .*got 'much'"),
        ("[monitor]\nsinks = [1]\n", r"monitor\.sinks .*got \[1\]"),
        (
            "[monitor]\nsinks = ['mlflow:http://me:word@host']\n",
            r"Expected no password in .*Try a target such as 'mlflow:env:NAME'",
        ),
    ],
)
def test_mistakes_in_the_file_are_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config.load(write(text), environment={})


def test_a_password_is_not_repeated_in_the_message(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.load(write("[monitor]\nsinks = ['x:http://me:canary@host']\n"), environment={})
    assert "canary" not in str(caught.value)


def test_an_unknown_variable_of_a_section_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"mean 'GROKWATCH_MONITOR_SINKS'\?"):
        config.load(environment={"GROKWATCH_MONITOR_SINK": "a:b"})


def test_other_variables_are_nobodys_business() -> None:
    loaded = config.load(environment={"GROKWATCH_CI": "1", "GROKWATCH_WEBHOOK": "x"})
    assert loaded.monitor.hooks == ("log:",)


def test_an_unknown_argument_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="Expected a known key of section 'monitor'"):
        config.load(environment={}, arguments={"monitor": {"colour": "red"}})


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a readable file, got .*nowhere\.toml"):
        config.load(tmp_path / "nowhere.toml", environment={})


def test_targets_with_commas_come_as_a_json_array() -> None:
    hooks = ("log:", "webhook:env:HOOK,secret=env:S", 'command:["a", "b"]')
    text = msgspec.json.encode(hooks).decode()
    assert config.load(environment={"GROKWATCH_SERVICE_HOOKS": text}).service.hooks == hooks
    with pytest.raises(ConfigurationError, match=r"Expected service\.hooks to be valid, got"):
        config.load(environment={"GROKWATCH_SERVICE_HOOKS": '["log:"'})


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("http://host\n")
    assert config.resolve("mlflow:env:A", {"A": "x", "A_FILE": str(file)}) == "mlflow:x"
    assert config.resolve("mlflow:env:A", {"A_FILE": str(file)}) == "mlflow:http://host"
    assert config.resolve("mlflow:sqlite:///a.db", {}) == "mlflow:sqlite:///a.db"


def test_a_missing_secret_names_its_variable() -> None:
    message = re.escape("Expected the environment variable A or A_FILE")
    with pytest.raises(ConfigurationError, match=message):
        config.resolve("mlflow:env:A", {})
