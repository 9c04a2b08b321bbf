"""What notebooks show for models, runs and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infogan import inline_html
from infogan.config import Config
from infogan.model import InfoGAN
from infogan.reporting.report_file import ReportFile
from infogan.runs.directory import RunDirectory


def test_text_is_escaped() -> None:
    shown = inline_html.block("<a>", inline_html.line("<b>"), inline_html.table(("<c>",), [("<d>",)]))
    for letter in "abcd":
        assert f"&lt;{letter}&gt;" in shown
        assert f"<{letter}>" not in shown


def test_images_of_any_channels_become_one_picture() -> None:
    for channels in (1, 3, 4):
        images = np.zeros((2, 3, 8, 8, channels), np.uint8)
        assert 'src="data:image/png;base64,' in inline_html.image_grid(images, "samples")


def test_a_model_shows_its_codes_and_samples(tiny_model: InfoGAN) -> None:
    shown = tiny_model._repr_html_()
    assert "categorical, 4 categories" in shown
    assert "not trained" in shown
    assert "data:image/png" in shown


def test_a_run_shows_its_last_metrics_and_pictures(tmp_path: Path, tiny_config: Config) -> None:
    from PIL import Image

    run = RunDirectory.create(tmp_path / "run")
    assert "config.toml" in run._repr_html_()  # says what is missing
    run.write_config(tiny_config)
    assert "no step has been logged yet" in run._repr_html_()
    line = '{"step": 20, "mutual_information": {"digit": 1.25}, "ceiling": {"digit": 1.39}, "health": []}'
    run.metrics_path.write_text(line + "\n")
    Image.new("L", (8, 8)).save(run.samples / "step-00000020.png")
    shown = run._repr_html_()
    assert "step 20 of" in shown
    assert "1.25" in shown and "1.39" in shown
    assert 'alt="samples"' in shown


def test_a_report_is_a_path_that_shows_the_report(tmp_path: Path) -> None:
    path = ReportFile(tmp_path / "report.html")
    path.write_text('<p id="x">a report</p>')
    assert isinstance(path, Path)
    shown = path._repr_html_()
    assert shown is not None
    assert "&lt;p id=&quot;x&quot;&gt;a report" in shown and "sandbox" in shown
    assert path.parent._repr_html_() is None
