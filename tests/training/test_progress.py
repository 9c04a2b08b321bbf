from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TextIO

import pytest

from infogan.training import progress
from infogan.training.progress import Output, Progress, describe

LINE = {
    "step": 20,
    "images_seen": 2_560,
    "seconds": 10.0,
    "images_per_second": 256.0,
    "mutual_information": {"digit": 2.11, "rotation": 0.456},
    "ceiling": {"digit": 2.3025},
}


class Screen(io.StringIO, TextIO):  # the second because the checked annotation asks for it by name
    """What people look at: a terminal or a pipe."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__(newline="")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def shown(self) -> str:
        return self.getvalue()


class Closed(Screen):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))


# --- in a terminal ---------------------------------------------------------------------------------------


def test_a_terminal_has_one_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    width(200, monkeypatch)
    stream = Screen(terminal=True)
    shown = Progress(40, stream=stream)
    shown.update(LINE)
    shown.update({**LINE, "step": 40, "images_seen": 5_120})
    assert "\n" not in stream.shown
    first, second = stream.shown.split("\r\x1b[K")[1:]
    assert first == "step 20/40  256 images/s  10 s left  digit 2.11 of 2.30 nats  rotation 0.46 nats"
    assert second == "step 40/40  256 images/s  digit 2.11 of 2.30 nats  rotation 0.46 nats"
    shown.close()
    shown.close()
    assert stream.shown.count("\n") == 1


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_live_line_is_cut_to_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    width(columns, monkeypatch)
    stream = Screen(terminal=True)
    Progress(5_000, stream=stream).update(LINE)
    line = stream.shown.removeprefix("\r\x1b[K")
    # One less: a full line would make some terminals scroll.
    assert line == describe(LINE, 5_000)[: columns - 1]


def test_what_is_said_stays_above_the_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    width(200, monkeypatch)
    stream = Screen(terminal=True)
    shown = Progress(40, stream=stream)
    shown.say("begun")
    assert stream.shown == "begun\n"
    shown.update(LINE)
    before = stream.shown
    shown.say("a warning")
    assert stream.shown == f"{before}\r\x1b[Ka warning\n{describe(LINE, 40)}"


# --- elsewhere -------------------------------------------------------------------------------------------


def test_elsewhere_plain_lines_come_now_and_then_and_at_the_end(clock: list[float]) -> None:
    stream = Screen()
    shown = Progress(100, stream=stream)
    for step in (20, 40, 60, 80, 100):
        shown.update({**LINE, "step": step})
        clock[0] += 10
    shown.close()
    lines = stream.shown.splitlines()
    assert [line.split()[1] for line in lines] == ["20/100", "60/100", "100/100"]
    assert "\x1b" not in stream.shown and "\r" not in stream.shown


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(20).update(LINE)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("step 20/20")


def test_every_line_is_in_the_log(clock: list[float], tmp_path: Path) -> None:
    shown = Progress(100, stream=Screen(), log_path=tmp_path / "log.txt")
    shown.say("begun")
    for step in (20, 40, 60):
        shown.update({**LINE, "step": step})
    texts = [line.split(" ", 2)[2] for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert texts == ["begun", *(describe({**LINE, "step": step}, 100) for step in (20, 40, 60))]


# --- nobody reads ----------------------------------------------------------------------------------------


def test_a_closed_stream_stops_nothing(tmp_path: Path) -> None:
    shown = Progress(100, stream=Closed(), log_path=tmp_path / "log.txt")
    shown.say("begun")
    shown.update(LINE)
    shown.close()
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


def test_no_stream_at_all_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as after 2>&-
    shown = Progress(100, log_path=tmp_path / "log.txt")
    shown.update(LINE)
    shown.close()
    assert "step 20/100" in (tmp_path / "log.txt").read_text()


def test_a_log_that_cannot_be_written_is_reported_once(tmp_path: Path) -> None:
    stream = Screen()
    shown = Progress(100, stream=stream, log_path=tmp_path)  # a folder
    shown.say("one")
    shown.say("two")
    assert stream.shown.count(f"warning: {tmp_path} cannot be written") == 1
    assert stream.shown.startswith("one\n") and stream.shown.endswith("two\n")


# --- in words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps_left", "expected"), [(40, "20 s"), (178, "89 s"), (400, "3 min"), (20_000, "2 h 47 min")]
)
def test_time_left(steps_left: int, expected: str) -> None:
    assert f"  {expected} left  " in describe(LINE, 20 + steps_left)  # at 2 steps a second


def test_a_rate_of_zero_promises_nothing() -> None:
    assert "left" not in describe({**LINE, "images_per_second": 0.0}, 100)


# --- a function of the user ------------------------------------------------------------------------------


def test_a_function_is_called_with_each_message_and_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    texts: list[str] = []
    shown = Progress(40, output=Output(quiet=True, notify=texts.append))
    shown.say("begun")
    shown.update(LINE)
    assert texts == ["begun", describe(LINE, 40)]
    assert capsys.readouterr().err == ""


def test_a_function_that_fails_is_logged_and_not_called_again(tmp_path: Path) -> None:
    calls = []

    def fail(text: str) -> None:
        calls.append(text)
        raise ValueError("a broken bar")

    shown = Progress(40, log_path=tmp_path / "log.txt", output=Output(quiet=True, notify=fail))
    shown.say("begun")
    shown.update(LINE)
    assert calls == ["begun"]
    assert "a broken bar" in (tmp_path / "log.txt").read_text()
