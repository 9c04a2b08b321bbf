"""Audit images before training: sizes, ranges, blank images, duplicates, layout, damage.

for line in audit(DataConfig(source="folder", path="my_images")).lines():
    print(line)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, UInt8

from infogan.data.contents import FileVerdict
from infogan.data.image_survey import Fitted, Seen, Survey
from infogan.data.layout import Layout
from infogan.data.signatures import counted
from infogan.errors import DataError
from infogan.file_listing import Skipped

NEAR_BLANK = 8
"""Largest difference between the pixels of an image, of 255, at which it counts as near-blank."""

NEARLY_BLACK = 1 / 16
"""Share of white up to which images are nearly black: 12 bits in 16, or 0 to 15 of 255."""

_HASH_BITS, _DIFFERENCE = 6, 4.0  # largest distance of near duplicates: in hashes, and in mean gray levels
_BANDS = 7  # parts of a hash: two hashes that differ in 6 bits have one part in common
_MOST_ALIKE = 3_000  # hashes with a common part that are compared with each other
_SUFFIX = re.compile(r"^(?P<stem>.+?)(?P<suffix>[-_. ]+[A-Za-z]+)$")
_FEWEST_PAIRS = 3


@dataclass(frozen=True)
class Audit:
    """Facts about a set of images.

    Attributes:
        path: of the images.
        images: number of readable images.
        sizes: number of images by (width, height).
        size: height and width to which they are resized.
        share_kept: mean share of an image's pixels inside the square that is used.
        odd_size: name of one image whose size differs from that of nearly all others, or "".
        channels: 1, 3 or 4.
        ranges: lowest and highest value, by the value of white (1, 255 or 65,535).
        in_range: True if a range is set.
        fit: crop, pad or stretch.
        blank: images whose pixels are all equal, after preprocessing.
        near_blank: other images whose pixels differ by at most `NEAR_BLANK`.
        duplicates: images that are exact copies of an earlier one.
        near_duplicates: images that closely resemble another one, without exact copies; None: too many
            images to compare.
        leaked: test images that are exact copies of a training image, where folders are the split.
        transparent: images with transparent pixels.
        several: files with several frames or pages.
        misnamed: files whose extension is that of another format.
        repaired: files that were repaired, by what was repaired.
        pairs: number of files next to others of the same name, by the pattern of their names.
        left_out: number of images that cannot be read, by the reason.
        excluded: number of files that a pattern leaves out.
        others: files that hold no images.
        layout: split and classes.
        stray: name of one image outside of all class folders, or "".
        in_files: False if the images are those of one array.
    """

    path: Path
    images: int
    sizes: dict[tuple[int, int], int]
    size: int
    share_kept: float
    odd_size: str
    channels: int
    ranges: dict[float, tuple[float, float]]
    in_range: bool
    fit: str
    blank: int
    near_blank: int
    duplicates: int
    near_duplicates: int | None
    leaked: int
    transparent: int
    several: int
    misnamed: int
    repaired: dict[str, int]
    pairs: dict[str, int]
    left_out: dict[str, int]
    excluded: int
    others: tuple[FileVerdict, ...]
    layout: Layout
    stray: str
    in_files: bool

    @classmethod
    def of(cls, survey: Survey, unreadable: Sequence[Skipped]) -> Audit:
        """Return the audit of images that have been decoded."""
        names = list(survey.fitted_images)
        fitted = list(survey.fitted_images.values())
        seen = [survey.seen[name] for name in names if name in survey.seen]
        copies = _copies(fitted)
        spread = np.array([image.spread for image in fitted])
        layout, strays = survey.layout, survey.layout.strays
        return cls(
            path=survey.path,
            images=len(names),
            sizes=dict(Counter(image.size for image in seen)),
            size=survey.form.size,
            share_kept=float(np.mean([_share(image.size, survey) for image in seen])) if seen else 1.0,
            odd_size=_odd_size(names, survey.seen),
            channels=survey.form.channels,
            ranges=_ranges(seen),
            in_range=survey.form.rules.low is not None,
            fit=survey.form.rules.fit,
            blank=int((spread == 0).sum()),
            near_blank=int(((spread > 0) & (spread <= NEAR_BLANK)).sum()),
            duplicates=int(copies.sum()),
            near_duplicates=_near_duplicates(fitted, copies, spread),
            leaked=_leaked(survey),
            transparent=sum(image.transparent for image in seen),
            several=0 if survey.all_frames else sum(image.several for image in seen),
            misnamed=sum(image.misnamed for image in seen),
            repaired=dict(Counter(survey.repaired.values())),
            pairs=pairs(names),
            left_out=dict(Counter(file.reason for file in unreadable).most_common()),
            excluded=len(survey.contents.excluded),
            others=tuple(survey.contents.others),
            layout=layout,
            stray=survey.names[strays[0]] if strays else "",
            in_files=bool(survey.names),
        )

    @property
    def nearly_black(self) -> bool:
        """True if no value is above `NEARLY_BLACK` of white."""
        return bool(self.ranges) and all(
            high <= white * NEARLY_BLACK for white, (_, high) in self.ranges.items()
        )

    def problem(self) -> DataError | None:
        """Return the reason why training on these images is pointless, or None."""
        if self.nearly_black and not self.in_range:
            white, (low, high) = next(iter(self.ranges.items()))
            chosen = f"{low:.9g}:{max(high, low + 1):.9g}"
            return DataError(
                f"{self.path}: the images are nearly black: no value is above {high:g} of {white:g}",
                "values up to white, or the values that become black and white",
                f"data.range = '{chosen}', or '0:{white:g}' to train on them as they are",
                command=f"--range={chosen}, or --range=0:{white:g} to train on them as they are",
            )
        if self.images > 1 and self.duplicates == self.images - 1:
            after = " after transparent pixels were placed on the background" if self.transparent else ""
            return DataError(
                f"{self.path}: all {self.images:,} images are identical{after}",
                "images that differ",
                "data.background = 'black', or data.channels = 4" if self.transparent else "other images",
                command="--background black, or --set data.channels=4" if self.transparent else None,
            )
        return None

    def lines(self) -> list[str]:
        """Return five to ten lines of text, with the flags that change what is stated."""
        return [line for line in self._lines() if line]

    def _lines(self) -> Iterator[str]:
        # The name only: the lines are shown in reports, which may be given to others.
        yield f"{self.path.resolve().name}: {self.images:,} images"
        if self.images:
            yield self._size_line()
            colour = {1: "gray", 3: "RGB", 4: "RGBA"}[self.channels]
            yield f"channels: {self.channels} ({colour}; --set data.channels=N)"
            yield from self._range_lines()
            if self.transparent:
                flags = "--background black, or --set data.channels=4"
                yield f"transparency: {self.transparent:,} images, placed on the background ({flags})"
            if self.blank or self.near_blank:
                everything = "; all images are blank" if self.blank == self.images else ""
                yield f"blank: {self.blank:,} images, and {self.near_blank:,} near-blank{everything}"
            near = (
                "too many images to compare" if self.near_duplicates is None else f"{self.near_duplicates:,}"
            )
            leaked = f"; {self.leaked:,} test images are training images" if self.leaked else ""
            yield f"duplicates: {self.duplicates:,} exact copies; near duplicates: {near}{leaked}"
            yield self._layout_line()
        yield self._left_out_line()
        yield self._other_files_line()

    def _size_line(self) -> str:
        sizes = [f"{width}x{height}" for width, height in sorted(self.sizes)]
        several = f"{len(sizes)} sizes from {sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else sizes[0]
        odd = f"; {self.odd_size!r} has another size" if self.odd_size else ""
        share = f"{self.share_kept:.0%} of its pixels are kept"
        kept = {"crop": share, "pad": "padded to a square", "stretch": "stretched to a square"}[self.fit]
        return (
            f"size: {several}; each becomes {self.size}x{self.size}, {kept}{odd} "
            "(--size N, --crop N, --fit crop|pad|stretch)"
        )

    def _range_lines(self) -> Iterator[str]:
        for white, (low, high) in sorted(self.ranges.items()):
            dark = (
                f"; nearly black: no value is above {high:g} of {white:,.0f}"
                if high <= white * NEARLY_BLACK
                else ""
            )
            flag = "set by --range" if self.in_range else "--range LOW:HIGH or p0.1:p99.9"
            yield f"range: {low:g} to {high:g} of {white:,.0f}{'' if self.in_range else dark} ({flag})"

    def _layout_line(self) -> str:
        truth = self.layout.truth
        classes = len(truth.classes) or (0 if truth.labels is None else len(np.unique(truth.labels)))
        by = "labels" if not self.in_files else "folders"
        parts = [f"{classes} classes by {by}, for evaluation only" if classes else "no classes"]
        if self.stray:
            outside = "the folders of classes" if classes else "its folders, which are therefore no classes"
            count = len(self.layout.strays)
            parts.append(f"{count:,} images lie outside of {outside}, {self.stray!r} the first")
        if self.layout.test is None:
            parts.append("a tenth is held out by content (--set data.held_out=N, --split-by folder|prefix)")
        else:
            test = int(self.layout.test.sum())
            parts.append(f"folders are the split: {self.images - test:,} training and {test:,} test images")
        for pattern, count in self.pairs.items():
            parts.append(f"{count:,} files are named like others, {pattern} (--exclude '{pattern}')")
        if self.several:
            parts.append(f"of {self.several:,} files with several frames the first is used (--frames all)")
        return f"layout: {'; '.join(parts)}"

    def _left_out_line(self) -> str:
        total = sum(self.left_out.values())
        if not total:
            return ""
        reasons = [f"{count:,} x {reason}" for reason, count in list(self.left_out.items())[:3]]
        more = f" and {len(self.left_out) - 3} more reasons" if len(self.left_out) > 3 else ""
        return f"left out: {total:,} files: {'; '.join(reasons)}{more} (--allow-unreadable N or N%)"

    def _other_files_line(self) -> str:
        texts = []
        if self.others:
            types = [file.file_type or file.reason for file in self.others]
            texts.append(f"{len(self.others):,} hold no images that are read ({counted(types)})")
            advice = Counter(f.reason for f in self.others if f.reason != "no image").most_common(1)
            texts += [f"to use them: {advice[0][0]}"] if advice else []
        texts += [f"{count:,} repaired: {what}" for what, count in self.repaired.items()]
        if self.misnamed:
            texts.append(f"{self.misnamed:,} have the extension of another format and are read by content")
        if self.excluded:
            texts.append(f"{self.excluded:,} excluded")
        return f"files: {'; '.join(texts)}" if texts else ""


def pairs(names: Sequence[str]) -> dict[str, int]:
    """Return the number of files next to others of the same name, by a pattern of their names.

    These are masks, previews and the like: x_mask.png next to x.jpg, or masks/1.png next to images/1.png.
    """
    paths = [PurePosixPath(name) for name in names]
    stems = {str(path.with_suffix("")) for path in paths}
    anywhere = {path.stem for path in paths}
    found: Counter[str] = Counter()
    for path in paths:
        match = _SUFFIX.match(path.stem)
        if not match:
            continue
        # Masks and previews may lie in other folders than their images.
        elsewhere = _MASKS.search(match["suffix"]) and match["stem"] in anywhere
        if elsewhere or str(path.with_name(match["stem"])) in stems:
            found[f"*{match['suffix']}.*"] += 1
    for folder, count in _mask_folders(paths).items():
        found[f"{folder}/*"] += count
    return {pattern: count for pattern, count in found.most_common(3) if count >= _FEWEST_PAIRS}


_MASKS = re.compile(r"(?i)(mask|label|annotation|seg|ground.?truth|gt\b|thumb|preview|overlay|depth)")


def _mask_folders(paths: Sequence[PurePosixPath]) -> Counter[str]:
    """Return the number of files in folders of masks whose names occur in another folder, too."""
    inside = [path for path in paths if len(path.parts) > 1 and _MASKS.search(path.parent.name)]
    outside = {path.stem for path in paths if not _MASKS.search(path.parent.name)}
    return Counter(str(path.parent) for path in inside if path.stem in outside)


def _ranges(seen: Sequence[Seen]) -> dict[float, tuple[float, float]]:
    result: dict[float, tuple[float, float]] = {}
    for image in seen:
        low, high = result.get(image.white, (math.inf, -math.inf))
        result[image.white] = min(low, image.low), max(high, image.high)
    return result


def _odd_size(names: Sequence[str], seen: dict[str, Seen]) -> str:
    """Return the name of an image of another size, if nearly all have the same one."""
    sizes = Counter(image.size for image in seen.values())
    if not sizes or len(sizes) == 1:
        return ""
    usual, count = sizes.most_common(1)[0]
    if count < 0.95 * len(seen):
        return ""
    return next(name for name in names if name in seen and seen[name].size != usual)


def _share(size: tuple[int, int], survey: Survey) -> float:
    """Return the share of an image's pixels inside the part that is used."""
    if survey.form.rules.fit == "crop":
        side = min(*size, survey.form.crop or max(size))
        return side * side / (size[0] * size[1])
    used = [min(side, survey.form.crop or side) for side in size]
    return used[0] * used[1] / (size[0] * size[1])


def _copies(images: Sequence[Fitted]) -> Bool[np.ndarray, " n"]:
    """Return True for each image that has the digest of an earlier one."""
    known: set[bytes] = set()
    result = []
    for image in images:
        result.append(image.digest in known)
        known.add(image.digest)
    return np.array(result, np.bool_)


def _leaked(survey: Survey) -> int:
    """Return the number of test images that are copies of training images, where folders are the split."""
    if survey.layout.test is None:
        return 0
    digests: tuple[set[bytes], list[bytes]] = set(), []
    for name, is_test in zip(survey.names, survey.layout.test, strict=True):
        if name in survey.fitted_images:
            digest = survey.fitted_images[name].digest
            digests[1].append(digest) if is_test else digests[0].add(digest)
    return sum(digest in digests[0] for digest in digests[1])


def _near_duplicates(
    images: Sequence[Fitted], copies: Bool[np.ndarray, " n"], spread: np.ndarray
) -> int | None:
    """Return the number of images that closely resemble another one; None if there are too many.

    Their difference hashes (the signs of horizontal differences of 8x8 gray means) differ in at most 6 of 64
    bits, and their pixels by at most 4 levels of 255 on average.
    """
    if any(image.small is None for image in images):
        return None
    chosen = [image.small for image, copy, varied in zip(images, copies, spread, strict=True)
              if not copy and varied > NEAR_BLANK and image.small is not None]  # fmt: skip
    if len(chosen) < 2:
        return 0
    small = np.frombuffer(b"".join(chosen), np.uint8).reshape(len(chosen), 16, 16)
    flat = small.reshape(len(small), -1).astype(np.int16)
    near = np.zeros(len(small), np.bool_)
    for first, second in _candidate_pairs(_difference_hashes(small)):
        alike = np.abs(flat[first] - flat[second]).mean(1) <= _DIFFERENCE
        near[first[alike]] = near[second[alike]] = True
    return int(near.sum())


def _candidate_pairs(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of images whose hashes are near, found by parts of the hashes that are equal."""
    bits = 64 // _BANDS + 1
    for band in range(_BANDS):
        part = (hashes >> np.uint64(band * bits)) & np.uint64((1 << bits) - 1)
        order = np.argsort(part, kind="stable")
        ends = np.flatnonzero(np.diff(part[order], append=part[order[-1]] + np.uint64(1))) + 1
        for members in np.split(order, ends[:-1]):
            for start in range(0, len(members), _MOST_ALIKE):
                rows = members[start : start + _MOST_ALIKE]
                if len(rows) > 1:
                    yield from _near_pairs(hashes, rows)


def _near_pairs(hashes: np.ndarray, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    distance = np.bitwise_count(hashes[rows, None] ^ hashes[rows][None])
    first, second = np.nonzero(np.triu(distance <= _HASH_BITS, 1))
    for start in range(0, len(first), 100_000):
        yield rows[first[start : start + 100_000]], rows[second[start : start + 100_000]]


def _difference_hashes(gray: UInt8[np.ndarray, "n 16 16"]) -> np.ndarray:
    """Return 64 bits for each image: if its brightness rises to the right, in 8 rows of 8 places."""
    rows = gray.reshape(len(gray), 8, 2, 16).mean(2)
    rises = np.diff(rows[..., ::2], axis=2, append=rows[..., -1:]) > 0
    packed: np.ndarray = np.packbits(rises.reshape(len(gray), 64), axis=1)
    return packed.view(np.uint64)[:, 0]
