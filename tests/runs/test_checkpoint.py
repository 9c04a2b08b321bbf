"""Checkpoints come back bit by bit, are the same bytes each time, and are never lost while being replaced."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infogan import locks, storage
from infogan.errors import StorageError, UsageError
from infogan.runs import checkpoint

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)


def parts(seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, object]]:
    draw = torch.Generator().manual_seed(seed)
    model = {"w": torch.randn(3, 4, generator=draw), "count": torch.tensor(7 + seed)}
    return (
        model,
        {"w/exp_avg": torch.randn(3, 4, generator=draw)},
        {"images_seen": 128 * seed, "codes": ["digit"]},
    )


def save(folder: Path, step: int, seed: int = 0, keep: int = 2) -> Path:
    return checkpoint.save(folder, step, *parts(seed), keep)


def refuse(error: StorageError) -> None:
    raise AssertionError(f"reported as damaged: {error}")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
            lambda name: name != "__metadata__"
        ),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4)),
        max_size=5,
    ),
    state=st.dictionaries(
        st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False) | st.integers()
    ),
)
def test_any_tensors_and_state_come_back_equal(tmp_path_factory, shapes, state) -> None:
    folder = tmp_path_factory.mktemp("checkpoints")
    tensors = {name: torch.rand(shape).mul(100).to(dtype) for name, (dtype, shape) in shapes.items()}
    found = checkpoint.load(checkpoint.save(folder, 12_000, tensors, {}, state, 1))
    assert equal(tensors, found.model)
    assert (found.step, found.optimizer, found.state) == (12_000, {}, state)


def test_layout_is_the_documented_one(folder: Path) -> None:
    path = save(folder, 12_000)
    assert path == folder / "step-00012000"
    assert names(path) == ["MANIFEST.json", "model.safetensors", "optimizer.safetensors", "state.json"]
    manifest = json.loads((path / "MANIFEST.json").read_text())
    assert manifest["step"] == 12_000
    assert manifest["format"] == storage.FORMAT
    assert manifest["files"]["state.json"]["bytes"] == (path / "state.json").stat().st_size


def test_awkward_memory_is_saved_as_the_values_it_shows(folder: Path) -> None:
    whole = torch.arange(48.0).reshape(2, 3, 4, 2)
    model = {
        "whole": whole,
        "same": whole,
        "slice": whole[1:, :, 1:3],
        "transposed": whole.flatten(1).T,
        "expanded": torch.tensor([1.5]).expand(4),
        "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.0, requires_grad=True),
        "tail": torch.arange(10)[7:],
    }
    assert equal(model, checkpoint.load(checkpoint.save(folder, 1, model, {}, {}, 1)).model)


def test_equal_arguments_give_equal_bytes_whatever_their_order(tmp_path: Path) -> None:
    model, optimizer, state = parts()
    contents = []
    for name, turn in (("a", 1), ("b", -1)):
        (tmp_path / name).mkdir()
        shuffled = [dict(list(part.items())[::turn]) for part in (model, optimizer, state)]
        path = checkpoint.save(tmp_path / name, 5, *shuffled, 1)
        contents.append({file.name: file.read_bytes() for file in path.iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_bytes_are_the_same_in_another_process(folder: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from infogan.runs import checkpoint as c;"
        "c.save(Path(sys.argv[1]), 5, {k: torch.ones(2) for k in 'edcba'}, {}, {'b': 1, 'a': 2}, 1)"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    there = storage.read_folder(folder / "step-00000005")
    tensors = {name: torch.ones(2) for name in "abcde"}
    here = checkpoint.save(folder, 6, tensors, {}, {"a": 2, "b": 1}, 2)
    assert storage.read_folder(here) == there


def test_permissions_are_those_of_the_umask(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        path = save(folder, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o640}


def test_the_newest_of_many_is_by_number_and_only_keep_remain(folder: Path) -> None:
    for step in (5, 99_999_999, 100_000_000, 100_000_005):
        save(folder, step, keep=2)
    assert names(folder) == ["step-100000000", "step-100000005"]
    assert checkpoint.newest(folder, refuse).step == 100_000_005


def test_pruning_never_takes_the_one_just_saved(folder: Path) -> None:
    save(folder, 10, keep=3)
    (save(folder, 20, keep=3) / "state.json").unlink()
    save(folder, 15, seed=1, keep=1)
    assert names(folder) == ["step-00000015", "step-00000020"]
    assert checkpoint.newest(folder, lambda _: None).step == 15


def test_none_where_there_is_none(folder: Path) -> None:
    assert checkpoint.newest(folder, refuse) is None
    assert checkpoint.newest(folder / "missing", refuse) is None


def test_the_same_content_again_is_left_alone(folder: Path) -> None:
    before = (save(folder, 3) / "MANIFEST.json").stat()
    after = (save(folder, 3) / "MANIFEST.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("damage", ["other content", "file missing", "no manifest", "foreign file"])
def test_one_of_the_same_step_is_replaced(folder, monkeypatch, exchange, damage) -> None:
    if not exchange:
        monkeypatch.setattr(storage, "_exchange", lambda *_: False)
    path = save(folder, 3, seed=0)
    if damage == "file missing":
        (path / "model.safetensors").unlink()
    elif damage == "no manifest":
        (path / "MANIFEST.json").unlink()
    elif damage == "foreign file":
        (path / "notes.txt").write_text("x")
    save(folder, 3, seed=1)
    assert equal(parts(1)[0], checkpoint.load(path).model)
    assert names(folder) == ["step-00000003"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
def test_a_reader_never_finds_nothing_while_one_is_replaced(folder: Path) -> None:
    path = save(folder, 3)
    missing, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            missing.extend([True] * (not (path / "MANIFEST.json").exists()))

    reader = threading.Thread(target=look)
    reader.start()
    for seed in range(1, 30):
        save(folder, 3, seed)
    done.set()
    reader.join()
    assert not missing


def test_where_folders_cannot_be_exchanged_a_kill_between_the_renames_loses_nothing(
    folder, monkeypatch
) -> None:
    monkeypatch.setattr(storage, "_exchange", lambda *_: False)
    path, rename = save(folder, 3, seed=0), os.rename

    def killed(source: Path, target: Path) -> None:
        if Path(target) == path:
            raise SystemExit("killed")
        rename(source, target)

    with monkeypatch.context() as inner:
        inner.setattr(os, "rename", killed)
        with pytest.raises(SystemExit):
            save(folder, 3, seed=1)
    assert names(folder) == [".old-step-00000003"]
    assert equal(parts(0)[0], checkpoint.newest(folder, refuse).model)
    save(folder, 4, seed=2)
    assert names(folder) == ["step-00000003", "step-00000004"]
    assert equal(parts(0)[0], checkpoint.load(path).model)


def test_what_killed_processes_left_is_cleared(folder: Path) -> None:
    save(folder, 3)
    for name in (".tmp-step-00000004.elsewhere.17", ".old-step-00000003"):
        (folder / name).mkdir()
        (folder / name / "model.safetensors").write_bytes(b"half")
    (folder / ".tmp-file.elsewhere.18").write_bytes(b"half")
    save(folder, 4)
    assert names(folder) == ["step-00000003", "step-00000004"]


def test_every_fault_point_is_reached_in_its_order(folder, monkeypatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(storage, "reach", reached.append)
    save(folder, 1, keep=1)
    reached.clear()
    save(folder, 2, keep=1)
    assert tuple(reached) == checkpoint.FAULT_POINTS


@pytest.mark.parametrize("wrong", [{"step": -1, "keep": 1}, {"step": 1, "keep": 0}])
def test_numbers_out_of_range_are_refused(folder, wrong) -> None:
    with pytest.raises(ValueError, match="expected"):
        save(folder, **wrong)
    assert names(folder) == []


def test_a_state_with_nan_is_never_written(folder: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(folder, 1, {}, {}, {"loss": float("nan")}, 1)
    assert names(folder) == []


def test_a_state_that_is_no_object_is_damaged(folder: Path) -> None:
    path = save(folder, 1)
    files = {**storage.read_folder(path), "state.json": b'"seconds"'}
    storage.remove_folder(path)
    storage.write_folder(path, files, {"step": 1})
    with pytest.raises(StorageError, match="not a JSON object"):
        checkpoint.load(path)


def test_a_folder_deleted_during_training_is_an_error_with_path_and_sizes(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(
        StorageError, match=r"step-00000001.*No such file.*bytes needed, .*bytes free"
    ) as caught:
        save(folder, 1)
    assert f"infogan resume {folder.parent}" in caught.value.advice
    assert not folder.exists()


@pytest.mark.parametrize("number", ["EROFS", "ENOSPC", "EDQUOT", "EIO"])
def test_every_failing_step_of_a_write_leaves_the_old_one_and_nothing_half(
    folder, monkeypatch, number
) -> None:
    save(folder, 1)
    for call in ("fsync", "rename"):
        with monkeypatch.context() as inner:

            def fail(*_: object) -> None:
                code = getattr(errno, number)
                raise OSError(code, os.strerror(code))

            inner.setattr(os, call, fail)
            with pytest.raises(StorageError, match="step-00000002") as caught:
                save(folder, 2)
        assert caught.value.exit_code == 4
        assert names(folder) == ["step-00000001"]
    assert checkpoint.newest(folder, refuse).step == 1


def test_a_renamed_checkpoint_is_noticed(folder: Path) -> None:
    save(folder, 1).rename(folder / "step-00000009")
    with pytest.raises(StorageError, match="holds step 1"):
        checkpoint.load(folder / "step-00000009")


def test_another_verified_folder_is_not_a_checkpoint(folder: Path) -> None:
    storage.write_folder(folder / "other", {"a": b"1"})
    with pytest.raises(StorageError, match="is not a checkpoint"):
        checkpoint.load(folder / "other")


# --- folders with a manifest, as a run's model ----------------------------------------------------------


def test_a_model_folder_is_replaced_as_a_whole_and_keeps_what_others_laid_in_it(tmp_path: Path) -> None:
    model = tmp_path / "model"
    storage.write_folder(model, {"config.toml": b"a", "old.json": b"b"})
    (model / "README.md").write_text("card")
    (model / "sub").mkdir()
    (model / "sub" / "x").write_text("y")
    storage.write_folder(model, {"config.toml": b"c"})
    assert storage.read_folder(model) == {"config.toml": b"c"}
    assert names(model) == ["MANIFEST.json", "README.md", "config.toml", "sub"]
    assert (model / "sub" / "x").read_text() == "y"
    assert names(tmp_path) == ["model"]


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        storage.write_folder(tmp_path, {"config.toml": b"c"})
    with pytest.raises(UsageError, match="is a file"):
        storage.write_folder(tmp_path / "thesis.tex", {"config.toml": b"c"})
    assert names(tmp_path) == ["thesis.tex"]


def test_a_linked_folder_is_replaced_where_it_lies(tmp_path: Path) -> None:
    storage.write_folder(tmp_path / "disk", {"a": b"1"})
    (tmp_path / "model").symlink_to("disk")
    storage.write_folder(tmp_path / "model", {"a": b"2"})
    assert (tmp_path / "model").is_symlink()
    assert storage.read_folder(tmp_path / "disk") == {"a": b"2"}


def test_left_overs_of_another_live_process_are_not_touched(tmp_path: Path) -> None:
    alive, dead = tmp_path / ".tmp-model.1", tmp_path / ".tmp-model.2"
    alive.mkdir()
    dead.mkdir()
    with locks.held(alive):
        storage.write_folder(tmp_path / "model", {"a": b"1"})
        assert alive.exists()
        assert not dead.exists()
    assert storage.abandoned(tmp_path) == [alive]


@pytest.mark.parametrize("name", ["../up", "a/b", "MANIFEST.json", "", ".", ".."])
def test_only_plain_names(tmp_path, name) -> None:
    with pytest.raises(ValueError, match="plain"):
        storage.write_folder(tmp_path / "model", {name: b""})


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    entry = {"bytes": 0, "sha256": ""}
    crafted = storage._seal({"files": {"../secret": entry}, "format": storage.FORMAT})
    (tmp_path / "model" / "MANIFEST.json").write_bytes(crafted)
    with pytest.raises(StorageError, match=r"MANIFEST\.json is damaged"):
        storage.read_folder(tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"sha256": ""}', b"\xff", b"[" * 100_000])
def test_any_manifest_that_is_none_is_damaged(tmp_path, content) -> None:
    (tmp_path / "MANIFEST.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"MANIFEST\.json is damaged"):
        storage.read_folder(tmp_path)


def test_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_bytes(storage._seal({"files": {}, "format": 2}))
    with pytest.raises(StorageError, match="format 2"):
        storage.read_folder(tmp_path)


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    storage.write_folder(tmp_path / "model", {"a": b""})
    (tmp_path / "model" / "a").unlink()
    os.mkfifo(tmp_path / "model" / "a")
    with pytest.raises(StorageError, match="not a regular file"):
        storage.read_folder(tmp_path / "model")


def test_a_misspelt_fault_is_no_silent_pass(monkeypatch) -> None:
    monkeypatch.setenv(storage.FAULT_VARIABLE, "rename=explode")
    with pytest.raises(ValueError, match="NAME"):
        storage.reach("rename")


def test_storage_imports_nothing_heavy() -> None:
    code = (
        "import sys, infogan.storage, infogan.runs.metrics_log, infogan.runs.directory;"
        "assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
