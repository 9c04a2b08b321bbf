from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import infogan
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory
from infogan.sinks.tensorboard_files import TensorBoardFiles
from tests.sinks.conftest import LINE, train

pytest.importorskip("tensorboardX")


def events(run: Path) -> dict[str, list[int]]:
    """Return the steps of each tag of the event files of a run, in the order of writing."""
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401 - the package is complete
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[int]] = defaultdict(list)
    for path in sorted((run / "tensorboard").glob("events.out.*")):
        data = path.read_bytes()
        while data:  # length, checksum, the event, checksum
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                found[value.tag].append(event.step)
            if event.HasField("session_log"):
                found["session"].append(event.step)
    return found


def test_numbers_pictures_and_messages_are_events(run: RunDirectory, config: infogan.Config) -> None:
    from PIL import Image

    path = run.samples / "step.png"
    Image.new("L", (8, 8)).save(path)
    sink = TensorBoardFiles(run, config)
    sink.metrics(LINE)
    sink.pictures(20, {"samples": path})
    sink.message("a warning")
    sink.close()
    found = events(run.path)
    assert found["loss/generator"] == found["mutual_information/digit"] == found["samples"] == [20]
    assert found["configuration/text_summary"] == [0]
    assert found["messages/text_summary"] == [20]


@pytest.mark.slow
def test_a_sink_that_is_added_later_writes_the_earlier_lines(tmp_path: Path) -> None:
    train(tmp_path / "run", 40, progress=False)
    infogan.resume(tmp_path / "run", steps=60, log_to=["tensorboard"], progress=False)
    assert events(tmp_path / "run")["loss/generator"] == [20, 40, 60]


@pytest.mark.slow
def test_steps_that_are_trained_again_replace_their_events(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run, 40, log_to=["tensorboard"], progress=False)
    metrics_log.truncate(run / "metrics.jsonl", 20, 20)  # as after a kill between a checkpoint and step 40
    infogan.resume(run, steps=60, log_to=["tensorboard"], progress=False)
    assert events(run)["session"] == [21]  # TensorBoard drops earlier events from this step on
