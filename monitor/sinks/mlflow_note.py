"""The description that MLflow shows above a run: what became of it, what was measured, how to read.

Pure: the verdict is written from the run's tags, which MLflow keeps, so that any process can write
it again; what was measured is written where the run starts, and kept. Text that comes from runs is
shown as it is: no markup, no link, no HTML.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

from grokwatch.monitor.records import RunStarted, SkippedSignal
from grokwatch.monitor.sinks.points import NOT_KNOWN
from grokwatch.monitor.text import in_one_line, inert
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Phase, RunStatus, Stage

NOTE_TAG = "mlflow.note.content"
"""Where MLflow keeps a description."""

REPORT_PATH = "grokwatch"
"""Folder of the report among the run's artifacts."""

_MARK = "<!-- written by grokwatch; take this line away to keep a text of your own -->"
_MEASURED = "<!-- what was measured -->"
_LONGEST = 7_500  # MLflow keeps 8,000 characters
_LONGEST_LINE = 300
_MOST_LINES = 12
_MARKUP = re.compile(r"[^\w ,;()%=?!'\"+.-]|_|\.(?=\S)")
_ON = {AlertState.FIRING.value, AlertState.CONFIRMED.value}
_WARNINGS = (AlertCode.NUMERICALLY_STUCK, AlertCode.WILL_NOT_GROK, AlertCode.LIKELY_GROKKING)
_OVER = {status.value for status in RunStatus}
_ENDS = {
    "running": "Training goes on.",
    "finished": "Training is over.",
    "failed": "Training failed.",
    "interrupted": "Training was interrupted.",
}
_STEPS = {
    "memorized": "memorised at step",
    "onset": "test accuracy began to rise at step",
    "grokking": "test accuracy passed 95 % at step",
}
_READING = (
    "### How to read this\n\n"
    "The charts are in sections. `grokwatch` is the verdict: accuracies, losses, stage, and the "
    "chances. The others hold signals of the train side, by what they look at; `grokwatch cost` is "
    "what watching cost. While training goes on, charts and tags are newer than this text. A "
    "report on the whole run, where one was asked for, is the artifact `grokwatch/report.html`."
)  # MLflow breaks lines where the text does


def is_ours(note: str) -> bool:
    """Whether a description may be replaced: there is none, or it is one of these."""
    return not note.strip() or note.startswith(_MARK)


def note(tags: Mapping[str, str], *, started: RunStarted | None, before: str, page: str) -> str:
    """Write a description.

    Args:
        tags: the run's, as they are now.
        started: how the run began, None where that was told before.
        before: the description so far; what was measured is kept from it.
        page: address of the service that shows the run; "" where there is none.

    Returns:
        Markdown, at most 8,000 characters.
    """
    parts = [_MARK, f"**{headline(tags)}**", *_facts(tags), *_alerts(tags), *_link(tags, page)]
    measured = _measured(started) if started else before.partition(_MEASURED)[2].strip()
    return "\n\n".join([*parts, _MEASURED, measured or _READING])[:_LONGEST]


def headline(tags: Mapping[str, str]) -> str:
    """The run in one or two sentences.

    Args:
        tags: the run's, as they are now.

    Returns:
        What is to be known first: a collapse, that it generalised, a warning, or how it stands.

    Example:
        >>> headline({"grokwatch.stage": "plateau", "grokwatch.status": "running"})
        'Memorised; no sign of structure yet. Training goes on.'
    """
    end = _ENDS.get(tags.get("grokwatch.status", ""), "")
    return f"{_sentence(_state(tags))}. {end}".strip()


def escaped(text: str) -> str:
    """Text of others within markdown, as it is; a part of HTML neither.

    Example:
        >>> escaped("a_b <b>*x*</b>")
        'a&#95;b &#60;b&#62;&#42;x&#42;&#60;&#47;b&#62;'
    """
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", in_one_line(text, _LONGEST_LINE))


def _state(tags: Mapping[str, str]) -> str:
    """What is to be known first."""
    phase, grokked = tags.get("grokwatch.phase"), tags.get("grokwatch.grokking_step", NOT_KNOWN)
    if _is_on(tags, AlertCode.COLLAPSE):
        return _warning(tags, AlertCode.COLLAPSE)
    if grokked != NOT_KNOWN and phase in _values(Phase):
        return f"{Phase(phase).sentence}: test accuracy passed 95 % at step {_number(grokked)}"
    if tags.get("grokwatch.status") in _OVER and phase in _values(Phase):
        return Phase(phase).sentence
    for code in _WARNINGS:
        if _is_on(tags, code):
            return _warning(tags, code)
    stage = tags.get("grokwatch.stage")
    return Stage(stage).sentence if stage in _values(Stage) else "nothing was judged yet"


def _warning(tags: Mapping[str, str], code: AlertCode) -> str:
    step = _number(tags.get(f"grokwatch.alert.{code.value}.step", NOT_KNOWN))
    return f"{code.sentence} ({code.value}, step {step})"


def _is_on(tags: Mapping[str, str], code: AlertCode) -> bool:
    return tags.get(f"grokwatch.alert.{code.value}") in _ON


def _facts(tags: Mapping[str, str]) -> Iterator[str]:
    """Steps that were seen."""
    steps = ((said, tags.get(f"grokwatch.{name}_step", NOT_KNOWN)) for name, said in _STEPS.items())
    seen = [f"{said} {_number(step)}" for said, step in steps if step != NOT_KNOWN]
    if seen:
        yield _sentence(", ".join(seen)) + "."


def _alerts(tags: Mapping[str, str]) -> Iterator[str]:
    """Each alert's newest word."""
    lines = []
    for code in AlertCode:
        name = f"grokwatch.alert.{code.value}"
        if state := tags.get(name):
            step, message = tags.get(f"{name}.step", NOT_KNOWN), tags.get(f"{name}.message", "")
            said = message.removeprefix(f"{tags.get('grokwatch.run_id')}: ")
            lines.append(
                f"- {code.value}, {escaped(state)} at step {_number(step)}: {escaped(said)}"
            )
    if lines:
        yield "### Alerts"
        yield "\n".join(lines)


def _link(tags: Mapping[str, str], page: str) -> Iterator[str]:
    """Where the service shows the run."""
    if urlsplit(page).scheme in {"http", "https"}:
        home = quote(page.rstrip("/"), safe=":/[]")
        run_id = quote(tags.get("grokwatch.run_id", ""), safe="")
        yield f"[This run at the grokwatch service]({home}/runs/{run_id})"


def _measured(started: RunStarted) -> str:
    """How to read it, and what was measured, skipped and guessed; what is too long is cut."""
    measured = ", ".join(_name(signal.name) for signal in started.signals)
    count = len(started.signals)
    skipped, guessed = _skipped(started.skipped), [escaped(each) for each in started.guesses]
    parts = [
        _READING,
        "### What was measured",
        f"{count} signal{'' if count == 1 else 's'}: {measured}." if count else "No signals.",
        *_list("Not measured:", skipped),
        *_list("Guessed, since nobody said:", guessed),
    ]
    return "\n\n".join(parts)


def _skipped(signals: Sequence[SkippedSignal]) -> list[str]:
    """One line for each reason, with all signals that were skipped for it."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for each in signals:
        by_reason.setdefault((each.reason, each.remedy), []).append(_name(each.name))
    return [
        f"{', '.join(names)}: {escaped(reason)}. {escaped(_sentence(remedy))}"
        for (reason, remedy), names in by_reason.items()
    ]


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
        rest = len(lines) - _MOST_LINES
        more = [f"{rest} more"] if rest > 0 else []
        yield "\n".join(f"- {line}" for line in (*lines[:_MOST_LINES], *more))


def _name(signal: str) -> str:
    return f"`{inert(signal, 80) or '_'}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(step: str) -> str:
    return f"{int(step):,}" if step.isascii() and step.isdigit() else NOT_KNOWN


def _values(words: type[Phase] | type[Stage]) -> set[str]:
    return {word.value for word in words}
