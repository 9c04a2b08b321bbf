from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from infogan import signals
from infogan.errors import Interrupted

TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.fixture(autouse=True)
def _survive() -> Iterator[None]:
    """A signal that nobody catches fails its test, and ends nothing else."""

    def uncaught(number: int, _frame: object) -> None:
        raise AssertionError(f"nobody caught signal {number}")

    before = {number: signal.signal(number, uncaught) for number in signals.STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code"), [(TERM, 143), (INT, 130), (signal.SIGHUP, 129), (signal.SIGXCPU, 152)]
)
def test_a_signal_raises_at_once(number: int, code: int) -> None:
    with pytest.raises(Interrupted) as caught, signals.handled():
        send(number)
        raise AssertionError("went on")
    assert (caught.value.signum, caught.value.exit_code, caught.value.run) == (number, code, None)


def test_no_handler_of_exceptions_swallows_it() -> None:
    reached = []
    with pytest.raises(Interrupted), signals.handled():
        try:
            send(TERM)
        except Exception:
            reached.append("except Exception")
    assert not reached


def test_a_deferred_block_ends_first() -> None:
    done = []
    with pytest.raises(Interrupted), signals.handled():
        with signals.deferred():
            send(TERM)
            with signals.deferred():
                done.append("inner")
            done.append("outer")
        done.append("behind")
    assert done == ["inner", "outer"]


def test_a_failure_in_a_deferred_block_comes_before_the_request() -> None:
    with pytest.raises(Interrupted), signals.handled():
        with pytest.raises(ValueError), signals.deferred():
            send(TERM)
            raise ValueError
        with signals.deferred():  # the request is not forgotten
            pass
        raise AssertionError("went on")


def test_saving_goes_on_once_the_request_is_acted_on() -> None:
    done = []
    with signals.handled():
        try:
            send(TERM)
        except Interrupted:
            signals.acknowledge()
            with signals.deferred():
                done.append("saved")
            send(TERM)  # once more, by somebody impatient or a second parent
            done.append("went on")
    assert done == ["saved", "went on"]


def test_a_request_that_a_finaliser_dropped_is_heard_later() -> None:
    class Finalised:
        def __del__(self) -> None:
            with suppress(Interrupted):  # as Python does with what is raised in __del__, but for its warning
                send(TERM)

    with pytest.raises(Interrupted), signals.handled():
        thing = Finalised()
        del thing
        with signals.deferred():
            pass
        raise AssertionError("went on")


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(TERM), signal.getsignal(INT)
    with signals.handled():
        assert (signal.getsignal(TERM), signal.getsignal(INT)) != before
    assert (signal.getsignal(TERM), signal.getsignal(INT)) == before


def test_a_new_command_knows_nothing_of_the_last_request() -> None:
    with pytest.raises(Interrupted), signals.handled():
        send(INT)
    with signals.handled(), signals.deferred():
        pass
    with pytest.raises(Interrupted), signals.handled():
        send(INT)  # the first one of this command: no immediate exit


def test_an_old_request_does_not_stop_what_comes_after_the_command() -> None:
    with pytest.raises(Interrupted), signals.handled():
        send(INT)
    with signals.deferred():  # as of a training that a notebook starts by the API
        pass


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [("SIGINT", "SIGINT", 130), ("SIGTERM", "SIGTERM", 7), ("SIGTERM", "SIGINT", 7)],
)
def test_only_a_second_ctrl_c_ends_at_once(first: str, second: str, code: int) -> None:
    script = (
        "import os, signal, sys\n"
        "from infogan import signals\n"
        "with signals.handled(), signals.deferred():\n"
        f"    os.kill(os.getpid(), signal.{first})\n"
        f"    os.kill(os.getpid(), signal.{second})\n"
        "    os._exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.handled():
        send(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_another_thread_may_train_without_handlers() -> None:
    before, seen = signal.getsignal(INT), []

    def work() -> None:
        with signals.handled(), signals.handled_in_python(), signals.deferred():
            seen.append(signal.getsignal(INT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_ctrl_c_in_python_is_a_keyboard_interrupt_and_a_second_one_comes_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT"), signals.handled_in_python():
        with signals.deferred():
            send(INT)
            done.append("saved")
        done.append("went on")
    with pytest.raises(KeyboardInterrupt), signals.handled_in_python(), signals.deferred():
        send(INT)
        send(INT)
        done.append("went on")
    assert done == ["saved"]


def test_other_signals_then_do_what_the_process_wants() -> None:
    """A script of the user's, which may have a handler of its own, or end."""
    script = (
        "import os, signal\n"
        "from infogan import signals\n"
        "with signals.handled_in_python(), signals.deferred():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('saved', flush=True)\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "saved\n")
    heard = []
    signal.signal(TERM, lambda number, _: heard.append(number))
    with pytest.raises(Interrupted), signals.handled_in_python():
        send(TERM)
    assert heard == [TERM]


def test_the_command_line_keeps_its_own_requests() -> None:
    with pytest.raises(Interrupted), signals.handled(), signals.handled_in_python():
        send(INT)
