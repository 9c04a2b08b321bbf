"""InfoGAN as a scikit-learn estimator: it clusters images, and encodes and generates them.

from infogan.sklearn import InfoGANClusterer
clusters = InfoGANClusterer(n_clusters=10).fit_predict(X)    # X: [n_samples, height * width]
"""

from __future__ import annotations

import math
import numbers
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int64, UInt8
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from infogan.errors import InfoGANError, UsageError

if TYPE_CHECKING:
    from infogan.config import Code, Config
    from infogan.latents import Codes

_SMALLEST = 8  # least side of an image in pixels

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "n_clusters": ((numbers.Integral,), "a whole number"),
    "codes": ((str, Mapping, NoneType), 'text such as "digit:10 slant:u", codes by name, or None'),
    "image_shape": ((tuple, list, NoneType), "(height, width), (height, width, channels), or None"),
    "recipe": ((str,), "the name of a recipe"),
    "steps": ((numbers.Integral,), "a whole number"),
    "width": ((numbers.Real,), "a number"),
    "settings": ((Mapping, NoneType), "settings by key, or None"),
    "device": ((str,), "the name of a device"),
    "out": ((str, Path, NoneType), "the path of a run directory, or None"),
    "random_state": (
        (numbers.Integral, np.random.RandomState, NoneType),
        "a whole number, a RandomState, or None",
    ),
    "verbose": ((numbers.Integral, np.bool_), "True or False"),
}
"""Types of parameters, also in words. `fit` checks them: a constructor of scikit-learn only stores values."""


def _has_categories(estimator: InfoGANClusterer) -> bool:
    """Return True if the estimator has, or will have, a categorical code; raise AttributeError otherwise."""
    from infogan.config import Categorical, parse_codes

    codes = estimator.codes
    if codes is None:
        return True
    with suppress(InfoGANError):  # which `fit` raises
        codes = parse_codes(codes) if isinstance(codes, str) else codes
        if isinstance(codes, Mapping) and not any(isinstance(code, Categorical) for code in codes.values()):
            raise AttributeError("there is no categorical code among `codes`, so there are no clusters")
    return True


class InfoGANClusterer(ClusterMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """Cluster images by a categorical code, and find continuous factors of variation.

    A generator and a recognition network are trained on the images, without labels. `predict` returns the
    most probable category of each image, `transform` all predicted codes, and `inverse_transform` images
    that are generated from codes.

    Images are padded to a square of at least 8x8 pixels and stored with 8 bits. Values of type uint8 are used
    as they are; the smallest and largest value of other types in `fit` become 0 and 255, and values outside
    this range are clipped.

    Args:
        n_clusters: number of categories of the code `cluster`.
        codes: all codes, instead of `cluster` and the uniform codes `style1` and `style2`: text such as
            "digit:10 slant:u", or codes by name. The first categorical code gives the clusters. Without one,
            the estimator is only a transformer.
        image_shape: (height, width) or (height, width, channels) of an image, in the order of the features;
            channels are 1, 3 or 4. None: gray squares. If the number of features is not a square number,
            rows are padded to the next one, with a warning.
        recipe: name of the training recipe, such as "robust" or "paper".
        steps: number of training steps, each with 128 images.
        width: relative width of the networks; 1 is that of the paper.
        settings: further settings of the configuration by key, such as `{"training.batch_size": 64}`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        out: a run directory to keep, for `infogan report` and the other commands. None: nothing is kept.
        random_state: an integer, which is the seed of the run; a `RandomState` of numpy; or None for another
            seed in each fit.
        verbose: show the progress of training on stderr.

    Attributes:
        model_: the trained `infogan.InfoGAN`.
        labels_: the cluster of each training image, int64 [n_samples], if there is a categorical code.
        image_shape_: (height, width, channels) of an image.
        value_range_: the values that became 0 and 255.
        n_features_in_: number of features in `fit`.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from infogan.sklearn import InfoGANClusterer
        >>> X, y = load_digits(return_X_y=True)
        >>> clusters = InfoGANClusterer(n_clusters=10).fit_predict(X)  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 - as every scikit-learn estimator
        self,
        n_clusters: int = 10,
        *,
        codes: str | Mapping[str, Code] | None = None,
        image_shape: tuple[int, ...] | None = None,
        recipe: str = "robust",
        steps: int = 1_000,
        width: float = 0.5,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        out: str | Path | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.codes = codes
        self.image_shape = image_shape
        self.recipe = recipe
        self.steps = steps
        self.width = width
        self.settings = settings
        self.device = device
        self.out = out
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: object = None) -> InfoGANClusterer:
        """Train the networks.

        Args:
            X: images as rows of pixel values, [n_samples, n_features].
            y: ignored.

        Raises:
            ValueError: `X` is not of that form, or does not fit `image_shape`.
            InfoGANError: a setting is wrong, or training diverged; as `infogan.train`.
        """
        from infogan import api
        from infogan.data import Dataset, Split
        from infogan.training.progress import Output

        self._check_parameters()
        X = np.asarray(validate_data(self, X, dtype="numeric", ensure_min_samples=2))
        self.image_shape_ = _shape(self.image_shape, X.shape[1])
        self.value_range_ = _value_range(X)
        images = self._images(X)
        dataset = Dataset("array", Split(images), Split(images[:1]))
        config = self._config()
        keep = tempfile.TemporaryDirectory() if self.out is None else nullcontext(str(self.out))
        with keep as folder:
            out = Path(folder) / "run" if self.out is None else Path(folder)
            output = Output(quiet=not self.verbose)
            self.model_ = api.train_config(config, out=out, dataset=dataset, output=output).model
        if self.model_.latents.categorical:
            self.labels_ = self._clusters(images)
        return self

    @available_if(_has_categories)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Int64[np.ndarray, " n"]:
        """Return the cluster of each image: the most probable category of the first categorical code."""
        return self._clusters(self._images_of(X))

    @available_if(_has_categories)  # type: ignore[untyped-decorator]
    def fit_predict(self, X: Any, y: object = None, **parameters: Any) -> Int64[np.ndarray, " n"]:
        """Train the networks and return the cluster of each image."""
        clusters: Int64[np.ndarray, " n"] = super().fit_predict(X, y, **parameters)
        return clusters

    def transform(self, X: Any) -> Float[np.ndarray, "n codes"]:
        """Return the predicted codes of images.

        Returns:
            Columns as `get_feature_names_out` names them: the probability of each category of a categorical
            code, and the posterior mean of other codes.
        """
        X = self._checked(X)
        raw = self.model_.recognise(self._images(X))
        means = [posterior.mean.numpy() for posterior in self.model_.latents.posteriors(raw).values()]
        dtype = X.dtype if X.dtype.kind == "f" else np.float64
        return np.concatenate(means, axis=1).astype(dtype)

    def inverse_transform(self, X: Any) -> Float[np.ndarray, "n features"]:
        """Generate an image for each row of codes. Noise is the same for all rows.

        Args:
            X: codes as `transform` returns them. Only the most probable category counts.

        Returns:
            Images as rows of pixel values, in the range of the values of `fit`.
        """
        from sklearn.utils.validation import check_array

        check_is_fitted(self, "model_")
        model = self.model_
        rows = check_array(X, dtype=np.float32)
        columns = len(self.get_feature_names_out())
        if rows.shape[1] != columns:
            raise ValueError(f"X has {rows.shape[1]} columns, but there are {columns} codes")
        noise, _ = model.draw(1, seed=0)
        images = model.generate(noise.expand(len(rows), -1), self._as_codes(rows))
        low, high = self.value_range_
        height, width, _ = self.image_shape_
        pixels = images[:, :height, :width].reshape(len(rows), -1)[:, : self.n_features_in_]
        return pixels / 255 * (high - low) + low

    @available_if(_has_categories)  # type: ignore[untyped-decorator]
    def score(self, X: Any, y: object = None) -> float:
        """Return the stability of the clusters under augmentation, without labels.

        This is the mutual information between the categories of images and those of their augmented views
        (Ji et al. 2019), in nats, from 0 to ln K for K clusters. It grows with K: compare estimators of the
        same `n_clusters`.
        """
        import torch

        from infogan.evaluation.real_information import DEFAULT_POLICY, augmented_views
        from infogan.regularizers import joint_table, table_information

        images = self._images_of(X)
        model = self.model_
        policy = model.config.augmentation if model.config.augmentation.active else DEFAULT_POLICY
        views = augmented_views(images, policy, model.table.output)
        first, second = (
            model.latents.category_probabilities(raw)[model.latents.categorical_dimensions[0]]
            for raw in (model.recognise(images), model.recognise(views, augmented=True))
        )
        return float(table_information(joint_table(first.to(torch.float64), second.to(torch.float64))))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of `transform`: cluster_0, cluster_1, ..., style1, style2."""
        check_is_fitted(self, "model_")
        names: list[str] = []
        for name, prior in self.model_.latents.priors.items():
            names += [name] if prior.width == 1 else [f"{name}_{index}" for index in range(prior.width)]
        return np.array(names, dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and pickles, in which the model is its configuration and arrays."""
        from infogan.config import to_toml

        state = dict(super().__getstate__())
        model = state.pop("model_", None)
        if model is not None:
            tensors = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
            state["_stored_model"] = (to_toml(model.config), tensors, model.provenance)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, and build the model again."""
        import torch

        from infogan.config import parse
        from infogan.model import InfoGAN

        state = dict(state)
        stored = state.pop("_stored_model", None)
        super().__setstate__(state)
        if stored is not None:
            config, arrays, provenance = stored
            self.model_ = InfoGAN(parse(config, "the stored estimator"))
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            self.model_.load_tensors(tensors, "the stored estimator")
            self.model_.provenance = dict(provenance)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- configuration -----------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        """Raise UsageError if a parameter has another type; its value is checked with the configuration."""
        for name, (types, expected) in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, types) or (isinstance(value, bool) and name != "verbose"):
                raise UsageError(f"{name}={value!r}", expected, f"set_params({name}=...)")

    def _config(self) -> Config:
        from infogan import configuring

        side, channels = _square_side(self.image_shape_), self.image_shape_[2]
        settings = {
            "data.size": side,
            "data.channels": channels,
            "network.width": self.width,
            "training.steps": self.steps,
            "training.device": self.device,
            "training.seed": self._seed(),
        }
        codes = self.codes or f"cluster:{self.n_clusters} style1:u style2:u"
        more = {} if self.settings is None else self.settings
        return configuring.configure("folder", recipe=self.recipe, codes=codes, settings={**settings, **more})

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # --- from rows to images and codes -------------------------------------------------------------------

    def _checked(self, X: Any) -> np.ndarray:
        """Return valid rows for a fitted estimator."""
        check_is_fitted(self, "model_")
        return np.asarray(validate_data(self, X, reset=False, dtype="numeric"))

    def _images_of(self, X: Any) -> UInt8[np.ndarray, "n s s c"]:
        return self._images(self._checked(X))

    def _images(self, X: np.ndarray) -> UInt8[np.ndarray, "n s s c"]:
        """Return rows as square 8-bit images."""
        height, width, channels = self.image_shape_
        low, high = self.value_range_
        if X.dtype != np.uint8 or (low, high) != (0.0, 255.0):
            scaled = (X.astype(np.float64) - low) / (high - low)
            X = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
        missing = height * width * channels - X.shape[1]
        images = np.pad(X, ((0, 0), (0, missing))).reshape(-1, height, width, channels)
        side = _square_side(self.image_shape_)
        return np.pad(images, ((0, 0), (0, side - height), (0, side - width), (0, 0)))

    def _clusters(self, images: UInt8[np.ndarray, "n s s c"]) -> Int64[np.ndarray, " n"]:
        latents = self.model_.latents
        probabilities = latents.category_probabilities(self.model_.recognise(images))
        return np.asarray(probabilities[latents.categorical_dimensions[0]].argmax(1).numpy())

    def _as_codes(self, rows: Float[np.ndarray, "n codes"]) -> Codes:
        """Return columns of `transform` as codes, with one-hot categories."""
        import torch

        codes, start = {}, 0
        for name, prior in self.model_.latents.priors.items():
            values = torch.from_numpy(rows[:, start : start + prior.width])
            start += prior.width
            if name in self.model_.latents.categorical:
                size = prior.code.size
                index = values.unflatten(1, (-1, size)).argmax(2)
                values = torch.nn.functional.one_hot(index, size).flatten(1).float()
            codes[name] = values
        return codes


def _shape(image_shape: tuple[int, ...] | None, features: int) -> tuple[int, int, int]:
    """Return (height, width, channels).

    Raises:
        ValueError: it does not fit the number of features.
    """
    if image_shape is None:
        side = math.ceil(math.sqrt(features))
        if side**2 != features:
            warnings.warn(
                f"{features} features are not a square image: they are padded to {side}x{side} pixels. "
                "Set image_shape if they are images of another shape.",
                stacklevel=3,
            )
        return side, side, 1
    shape = (*image_shape, 1) if len(image_shape) == 2 else tuple(image_shape)
    if len(shape) != 3 or shape[2] not in (1, 3, 4) or math.prod(shape) != features:
        raise ValueError(
            f"image_shape={image_shape!r}, and X has {features} features; expected (height, width) or "
            "(height, width, channels) with 1, 3 or 4 channels, whose product is the number of features"
        )
    return shape


def _square_side(shape: tuple[int, int, int]) -> int:
    """Return the side of the square to which images of (height, width, channels) are padded."""
    return max(shape[0], shape[1], _SMALLEST)


def _value_range(X: np.ndarray) -> tuple[float, float]:
    """Return the values that become 0 and 255."""
    if X.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(X.min()), float(X.max())
    return (low, high) if high > low else (low, low + 1)
