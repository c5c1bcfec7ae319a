import json
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import msgspec
import pytest

from grokwatch.monitor.alerts import command, function
from grokwatch.monitor.alerts.command import SEARCH_PATH, CommandHook
from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Notice, payload
from tests.receivers import NOTICE

HOSTILE = ["; touch x", "$(touch x)", "`touch x`", "-rf", "--", "a\nb", "*", "~", "", "'", '"', "&"]
EVIL = msgspec.structs.replace(NOTICE.alert, run_id="$(touch x)", message="; touch x `touch x`\n")


def python(folder: Path, text: str) -> CommandHook:
    """A command that runs a script, with the folder as its argument."""
    script = folder / "script.py"
    script.write_text(text)
    return command.connect(json.dumps([sys.executable, "-I", str(script), str(folder)]))


def test_a_command_gets_the_payload_on_its_standard_input(tmp_path: Path) -> None:
    text = "import pathlib, sys; pathlib.Path(sys.argv[1], 'given').write_text(sys.stdin.read())"
    python(tmp_path, text).fire(NOTICE)
    assert (tmp_path / "given").read_bytes() == payload(NOTICE)


def test_arguments_arrive_as_they_are_written(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "parent = pathlib.Path(f'/proc/{os.getppid()}/comm').read_text()\n"
        "told = {'argv': sys.argv[2:], 'parent': os.getppid(), 'environ': dict(os.environ),\n"
        "        'here': os.listdir(), 'session': os.getsid(0) == os.getpid()}\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(told))\n"
    )
    told = tmp_path / "told"
    argv = [sys.executable, "-I", str(script), str(told), *HOSTILE]
    command.connect(json.dumps(argv)).fire(Notice(alert=EVIL))
    found = json.loads(told.read_text())
    assert found["argv"] == HOSTILE
    assert found["parent"] == os.getpid(), "a shell stands between"
    assert set(found["environ"]) - {"LC_CTYPE"} == {"PATH"}, "LC_CTYPE is Python's own"
    assert found["environ"]["PATH"] == SEARCH_PATH
    assert found["here"] == []
    assert found["session"]


def test_nothing_of_a_run_is_run(tmp_path: Path) -> None:
    before = {Path(folder) for folder in (tmp_path, Path.cwd())}
    command.connect(json.dumps(["cat", "--", "-"])).fire(Notice(alert=EVIL))
    assert not any((folder / "x").exists() for folder in before)


def test_secrets_of_the_environment_are_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "c4n4ry")
    text = "import os, pathlib, sys; pathlib.Path(sys.argv[1], 'told').write_text(str(os.environ))"
    python(tmp_path, text).fire(NOTICE)
    assert "c4n4ry" not in (tmp_path / "told").read_text()


def test_the_directory_is_removed_afterwards(tmp_path: Path) -> None:
    text = (
        "import os, pathlib, sys\n"
        "pathlib.Path('left').write_text('x')\n"
        "pathlib.Path(sys.argv[1], 'told').write_text(os.getcwd())\n"
    )
    python(tmp_path, text).fire(NOTICE)
    assert not Path((tmp_path / "told").read_text()).exists()


def test_a_command_that_does_not_read_is_fine() -> None:
    long = msgspec.structs.replace(NOTICE.alert, message="x" * 1_000_000)
    command.connect('["true"]').fire(Notice(alert=long))


def test_a_command_that_fails_is_quoted_in_one_short_line(tmp_path: Path) -> None:
    text = (
        "import sys; print('a\\n\\x1b[31mb', flush=True); sys.stderr.write('c' * 9999); sys.exit(3)"
    )
    message = r"to take the alert with status 0, got 3\. It is tried again\. It said: a \[31mb"
    with pytest.raises(HookError, match=message) as caught:
        python(tmp_path, text).fire(NOTICE)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_a_command_that_is_killed_says_by_what(tmp_path: Path) -> None:
    text = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    with pytest.raises(HookError, match=r"got -15\. .* It said: nothing"):
        python(tmp_path, text).fire(NOTICE)


def test_a_command_that_vanished_says_so(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    hook = command.connect(json.dumps([str(program), "c4n4ry"]))
    program.unlink()
    message = "to start, got: No such file or directory. Try it by hand"
    with pytest.raises(HookError, match=message) as caught:
        hook.fire(NOTICE)
    assert "c4n4ry" not in str(caught.value)


STUBBORN = """
trap '' TERM
sleep 600 &
echo "$$ $!" > "$1"
"""


def is_running(number: int) -> bool:
    """Whether a process lives, and is no zombie that only waits to be noticed."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("end", ["sleep 600", "while :; do echo xxxxxxxx; done", ""])
def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path, end: str) -> None:
    script, group = tmp_path / "script.sh", tmp_path / "group"
    script.write_text(STUBBORN + end)
    hook = CommandHook(
        ["/bin/sh", str(script), str(group)],
        timeout=0.1,
        # Its time is up once there is a child to be killed, however slow the machine is.
        clock=lambda: time.monotonic() if group.exists() and "\n" in group.read_text() else 0.0,
    )
    message = r"to end within 0\.1 seconds, got no end: it was killed\. .* It said: "
    with pytest.raises(HookError, match=message):
        hook.fire(NOTICE)
    numbers = [int(word) for word in group.read_text().split()]
    until = time.monotonic() + 30
    while any(map(is_running, numbers)) and time.monotonic() < until:
        time.sleep(0.01)
    assert [is_running(number) for number in numbers] == [False, False]


def test_a_command_that_closes_its_output_and_sleeps_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("exec >&- 2>&-\nsleep 600\n")
    hook = CommandHook(["/bin/sh", str(script)], timeout=0.3)
    with pytest.raises(HookError, match="it was killed"):
        hook.fire(NOTICE)


@pytest.mark.parametrize(
    "argument",
    ["", "notify --now c4n4ry", "[]", '[""]', '["a", 1]', '{"a": 1}', '["true", "a\\u0000b"]', "["],
)
def test_what_is_no_array_of_texts_is_refused_and_not_repeated(argument: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected a JSON array of a program") as caught:
        command.connect(argument)
    assert "c4n4ry" not in str(caught.value)


@pytest.mark.parametrize("program", ["./true", "bin/true", "/no/such/program", "no-such-program"])
def test_a_program_that_cannot_be_started_is_refused(program: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected a program that can be started, got"):
        command.connect(json.dumps([program, "c4n4ry"]))


def test_a_program_is_found_where_it_will_be_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    command.connect('["true"]').fire(NOTICE)


TOLD: list[Notice] = []


def take(notice: Notice) -> None:
    TOLD.append(notice)


def refuse(notice: Notice) -> None:
    msg = f"no\nto {notice.name} at https://ann:c4n4ry@host/"
    raise ValueError(msg)


def postpone(notice: Notice) -> None:
    msg = "later"
    raise HookError(msg, retry_after_seconds=5.0)


async def wait(notice: Notice) -> None:
    del notice


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported by name, as one of the user's."""
    made = types.ModuleType("alarms")
    made.__dict__.update(take=take, refuse=refuse, postpone=postpone, wait=wait, number=1)
    monkeypatch.setitem(sys.modules, "alarms", made)
    TOLD.clear()
    return "alarms"


def test_a_function_gets_the_notice(module: str) -> None:
    function.connect(f"{module}:take").fire(NOTICE)
    assert TOLD == [NOTICE]


def test_a_function_that_raises_did_not_take_the_alert(module: str) -> None:
    message = r"Expected alarms:refuse to take the alert, got ValueError: no to seed 3 at https://"
    with pytest.raises(HookError, match=message) as caught:
        function.connect(f"{module}:refuse").fire(NOTICE)
    assert "c4n4ry" not in str(caught.value)


def test_a_function_may_ask_to_be_left_alone(module: str) -> None:
    with pytest.raises(HookError, match=r"^later$") as caught:
        function.connect(f"{module}:postpone").fire(NOTICE)
    assert caught.value.retry_after_seconds == 5.0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", r"Expected 'package\.module:name', got ''"),
        ("alarms", r"Expected 'package\.module:name'"),
        ("alarms:take()", r"Expected 'package\.module:name'"),
        ("../alarms:take", r"Expected 'package\.module:name'"),
        ("alarms:none", "Expected a function none in the module alarms, got AttributeError"),
        ("no_such_module:x", "Expected a function x in the module no_such_module, got ModuleNot"),
        ("alarms:number", "to be a plain function of one notice, got 1"),
        ("alarms:wait", "to be a plain function of one notice, got <function"),
    ],
)
def test_what_is_no_function_is_refused(module: str, argument: str, message: str) -> None:
    assert module
    with pytest.raises(ConfigurationError, match=message):
        function.connect(argument)


def test_a_process_that_names_no_hook_imports_none_of_their_libraries() -> None:
    text = (
        "import sys; from grokwatch.monitor.alerts import connect; connect('log:');"
        "assert not {'apprise', 'httpcore', 'httpx', 'standardwebhooks'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
