"""Sources that render their images: factors that fit the pictures, and the same ones always."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infogan import api, configuring
from infogan.cli import main
from infogan.config import DataConfig
from infogan.data import SOURCES, Dataset, load, loading, prepare
from infogan.errors import ConfigError, DataError
from infogan.presets import PRESETS

FACES = ("azimuth", "elevation", "light_azimuth", "light_elevation", "width")
DRAWN = {
    "heads": (FACES, (32, 32, 1)),
    "faces": (FACES, (32, 32, 1)),
    "drawn-chairs": (("azimuth", "elevation", "width"), (64, 64, 1)),
    "chairs": (("azimuth", "elevation", "width"), (64, 64, 1)),
    "sprites": (("shape", "scale", "orientation", "x", "y"), (64, 64, 1)),
}


def drawn(name: str, **settings: object) -> Dataset:
    return load(DataConfig(source=name, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DRAWN)
def test_images_come_with_their_factors(name: str) -> None:
    factors, shape = DRAWN[name]
    dataset = drawn(name, count=20)
    assert dataset.train.images.shape[1:] == shape
    assert len(dataset.train.images) + len(dataset.test.images) == 20
    for split in (dataset.train, dataset.test):
        assert set(split.truth.factors) == set(factors)
        assert all(len(factor.values) == len(split.images) for factor in split.truth.factors.values())
    pictures = dataset.train.images.reshape(len(dataset.train.images), -1)
    assert len(np.unique(pictures, axis=0)) == len(pictures)
    assert pictures.std(0).max() > 20


def test_light_from_the_right_lights_the_right() -> None:
    """The factor of an image is that image's: after the shuffle, too."""
    split = drawn("heads", count=60).train
    light, azimuth = (split.truth.factors[name].values for name in ("light_azimuth", "azimuth"))
    halves = split.images[..., :16, :].mean((1, 2, 3)), split.images[..., 16:, :].mean((1, 2, 3))
    frontal = np.abs(light - azimuth / 2) > 30
    assert ((halves[1] > halves[0]) == (light > 0))[frontal & (np.abs(light) > 40)].mean() > 0.9


def test_a_sprite_stands_where_its_factors_say() -> None:
    split = drawn("sprites", count=50).train
    columns = split.images[..., 0].astype(float).sum(1)
    centres = (columns * np.arange(64)).sum(1) / columns.sum(1)
    assert np.corrcoef(centres, split.truth.factors["x"].values)[0, 1] > 0.99
    assert split.truth.factors["orientation"].period == pytest.approx(2 * np.pi)


def test_test_images_show_other_chairs() -> None:
    dataset = drawn("drawn-chairs", count=300, size=16)
    train, test = dataset.train.labels, dataset.test.labels
    assert train is not None and test is not None
    assert train.max() < test.min()
    assert len(np.unique(test)) == round(0.1 * len(np.unique([*train, *test])))
    assert dataset.test.truth.factors["azimuth"].period == 360


def test_an_array_of_chairs_is_split_by_chair(tmp_path: Path) -> None:
    images = np.arange(40, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    shown = np.arange(40) % 10
    path = tmp_path / "chairs.npz"
    np.savez(path, images=images, azimuth=np.arange(40, dtype=np.int16) * 9, object=shown.astype(np.uint8))
    dataset = drawn("chairs", path=str(path))
    assert dataset.test.labels is not None
    assert dataset.test.labels.tolist() == [9] * 4
    assert (dataset.test.images[:, 0, 0, 0] % 10 == 9).all()
    azimuth = dataset.train.truth.factors["azimuth"]
    assert azimuth.period == 360
    assert (azimuth.values == dataset.train.images[:, 0, 0, 0] * 9.0).all()
    np.savez(path, images=images)
    with pytest.raises(DataError, match="which chair"):
        drawn("chairs", path=str(path))


def test_a_folder_of_meshes_is_rendered(tmp_path: Path) -> None:
    for index, height in enumerate((0.5, 1.0, 2.0)):
        corners = [(x, y, z) for x in (0, 1) for y in (0, height) for z in (0, 0.6)]
        faces = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
        lines = [*(f"v {x} {y} {z}" for x, y, z in corners), *(f"f {face}" for face in faces)]
        (tmp_path / f"{index}.obj").write_text("\n".join(lines) + "\n")
    dataset = drawn("chairs", path=str(tmp_path), count=30, size=16)
    assert dataset.test.labels is not None
    assert set(dataset.test.labels) == {2}
    assert dataset.train.images.min() < 200  # something is there


def test_pictures_of_faces_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    np.savez(path, images=np.zeros((10, 32, 32), np.uint8), azimuth=np.linspace(-60, 60, 10))
    with pytest.raises(ConfigError, match="holds 10 pictures, which are not rendered"):
        drawn("faces", path=str(path), count=5)
    dataset = drawn("faces", path=str(path), held_out=3)
    assert dataset.test.truth.factors["azimuth"].values.shape == (3,)


@pytest.mark.parametrize("name", ["ict-faces", "basel-faces", "chair-meshes"])
def test_a_missing_path_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"data.path is not set: the source '{name}'"):
        drawn(name)


@pytest.mark.parametrize("name", ["ict-faces", "basel-faces", "chair-meshes", "faces", "chairs"])
def test_a_wrong_file_is_refused_with_its_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"something else")
    with pytest.raises(DataError) as caught:
        drawn(name, path=str(path))
    assert str(path) in caught.value.happened


def test_only_sources_that_render_take_a_count() -> None:
    with pytest.raises(ConfigError, match="digits renders no images"):
        drawn("digits", count=5)
    with pytest.raises(ConfigError, match="renders its images, which are not cropped"):
        drawn("heads", crop=20)
    with pytest.raises(DataError, match="737,280"):
        drawn("sprites", count=800_000)


def test_render_leaves_a_folder_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "render", "sprites", "--count", "12", "--out", str(tmp_path / "s")]) == 0
    assert "12 images of 64x64x1, with shape, scale" in capsys.readouterr().out
    assert (tmp_path / "s-sheet.png").stat().st_size > 100
    assert len(load(DataConfig(source="sprites", path=None, count=12)).train.images) == 11
    assert main(["data", "check", str(tmp_path / "s")]) == 0
    content = bytearray((tmp_path / "s" / "images.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "s" / "images.npy").write_bytes(content)
    assert main(["data", "check", str(tmp_path / "s")]) == 4
    assert main(["data", "render", "spirtes"]) == 2
    assert "did you mean 'sprites'" in capsys.readouterr().err
    assert {name for name, source in SOURCES.items() if source.renders} >= set(DRAWN)


def test_rendered_folders_fit_their_presets(tmp_path: Path) -> None:
    for source, preset in [("heads", "faces"), ("drawn-chairs", "chairs")]:
        out = prepare(DataConfig(source=source, count=40, size=16), tmp_path / source)
        assert drawn(preset, path=str(out)).train.images.shape[1:] == (16, 16, 1)
    with pytest.raises(DataError, match="prepared images of heads"):
        drawn("chairs", path=str(tmp_path / "heads"))


def test_a_folder_with_aubrys_tar_file_is_no_folder_of_meshes(tmp_path: Path) -> None:
    (tmp_path / "rendered_chairs.tar").write_bytes(b"no tar file")
    with pytest.raises(DataError) as caught:
        drawn("chairs", path=str(tmp_path))
    assert "rendered_chairs.tar" in caught.value.happened


@pytest.mark.parametrize("name", [name for name in PRESETS if name in SOURCES])
def test_prepare_and_train_read_one_folder(name: str) -> None:
    assert loading.cached(configuring.data_config(name)) == loading.cached(api.configure(name).data)
