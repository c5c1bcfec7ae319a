import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor", "callbacks", "experiments")
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SUFFIXES = {".py", ".html", ".css", ".js", ".svg"}
LOCKS = ("requirements.lock", "requirements-oracles.lock")


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _locked() -> Mapping[str, str]:
    texts = ((ROOT / name).read_text() for name in LOCKS)
    lines = [line for text in texts for line in text.splitlines()]
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def _required() -> Iterator[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    for texts in (PROJECT["project"]["dependencies"], *extras.values()):
        yield from map(Requirement, texts)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a commit holds of the sources, so that builds leave nothing behind here."""
    copy = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "grokwatch"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """The folder with the sdist and the wheel that was built from it."""
    _run(sys.executable, "-m", "build", "--no-isolation", cwd=checkout)
    return checkout / "dist"


def _sources() -> set[str]:
    return {
        f"grokwatch/{file.relative_to(ROOT)}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in SUFFIXES or file.name == "py.typed"
    }


def test_the_namespace_holds_only_three_relative_links() -> None:
    links = {entry.name: entry.readlink() for entry in (ROOT / "grokwatch").iterdir()}
    assert links == {name: Path("..") / name for name in PACKAGES}


def test_the_wheel_holds_every_source_and_the_type_marks(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    assert _sources() <= names
    assert {f"grokwatch/{package}/py.typed" for package in PACKAGES} <= names
    outside = {name for name in names if not name.startswith(("grokwatch/", "grokwatch-"))}
    assert not outside
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_files_not_links(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        members = {name.partition("/")[2]: kind for name, kind in _members(archive)}
    assert _sources() <= {name for name, is_file in members.items() if is_file}


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bool]]:
    for member in archive.getmembers():
        yield member.name, member.isfile()


@pytest.fixture(scope="module")
def core(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked beside the core's dependencies only: no torch in reach."""
    folder = tmp_path_factory.mktemp("core")
    zipfile.ZipFile(next(built.glob("*.whl"))).extractall(folder)
    for name in ("msgspec", "typer", "numpy", "rich", "annotated-doc", "shellingham"):
        for file in metadata.distribution(name).files or ():
            if file.parts[0] not in {"..", "__pycache__"}:
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(Path(str(file.locate())))
    return folder


def _alone(core: Path, code: str) -> str:
    program = f"import sys; sys.path[:0] = [{str(core)!r}]\n{code}"
    return _run(sys.executable, "-S", "-I", "-c", program, cwd=core)


def test_the_core_alone_imports_judges_and_shows_its_help(core: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('mlflow'))"
    assert _alone(core, code).split() == ["None", "None"]
    code = "import grokwatch.monitor.records as r; print(r.__file__)"
    assert str(core) in _alone(core, code)
    code = (
        "from grokwatch.monitor.predictors import load; "
        "from grokwatch.monitor.records import RunStarted; "
        "print(load('hazard:', RunStarted(run_id='a', time=0.0)).levels)"
    )
    assert "raise_at" in _alone(core, code)
    code = "sys.argv[1:] = ['--help']; from grokwatch.monitor.cli import main; main()"
    assert "grokwatch demo" in _alone(core, code)


def test_the_editable_install_serves_one_module_under_one_name() -> None:
    code = "import grokwatch.monitor.records as r, grokwatch; print(r.__name__, grokwatch.__file__)"
    assert _run(sys.executable, "-c", code, cwd=ROOT / "tests").split() == [
        "grokwatch.monitor.records",
        "None",
    ]


def test_the_lock_meets_every_requirement() -> None:
    locked = _locked()
    for requirement in _required():
        version = locked[re.sub(r"[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), f"{requirement} but {version} is locked"


def test_the_lock_resolves_anywhere() -> None:
    text = "".join((ROOT / name).read_text() for name in LOCKS)
    assert "://" not in text
    assert not [line for line in text.splitlines() if "+" in line and not line.startswith("#")]
    assert {"pip", "grokwatch"}.isdisjoint(_locked())


def test_the_lock_is_what_the_tests_run_with() -> None:
    found = {name: metadata.version(name).partition("+")[0] for name in _locked()}
    installed = {name: version.removeprefix("v") for name, version in found.items()}
    assert installed == _locked()


def test_compromised_releases_are_refused() -> None:
    refused = [each for each in _required() if each.name in {"lightning", "pytorch-lightning"}]
    assert len(refused) == 2
    assert not [each for each in refused for bad in ("2.6.2", "2.6.3") if bad in each.specifier]


def test_continuous_integration_runs_the_two_targets() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["check", "test"]
    assert "GROKWATCH_CI=1" in script


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    explained = set(re.findall(r"^([\w-]+):.* ## ", makefile, re.MULTILINE))
    assert set(phony[1].split()) == explained


def test_without_python_the_makefile_says_what_to_install(tmp_path: Path) -> None:
    for name in ("bash", "sed", "grep", "awk"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    for name in (*LOCKS, "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [shutil.which("make") or "make", "demo"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Expected Python 3.11 or newer, found none. Try: apt-get install" in done.stderr


def test_prometheus_accepts_its_configuration_and_every_limit_is_set() -> None:
    file = ROOT / "dashboards" / "prometheus" / "prometheus.yml"
    limits = ("sample_limit", "label_limit", "label_value_length_limit", "body_size_limit")
    for job in yaml.safe_load(file.read_text())["scrape_configs"]:
        assert all(job[limit] for limit in limits)
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    _run(promtool, "check", "config", "--syntax-only", file)
