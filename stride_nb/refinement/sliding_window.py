"""Sliding windows: a long sequence as a network sees it, and the blended prediction of all windows.

Only a few windows are in memory at a time, so memory does not grow with the sequence.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.motion_prior import Prior, make_input_features
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, find_repeated_frames
from stride_nb.poses.sequence import WINDOW_FRAMES, PoseSequence, blend_weights, window_starts
from stride_nb.poses.streaming import StreamedSequence
from stride_nb.refinement.filters import gaussian
from stride_nb.refinement.outlier_rejection import OUTLIER_CONFIDENCE, OUTLIER_RATIO, find_outliers

__all__ = ["WINDOW_STRIDE", "Windows", "average_predictions"]

WINDOW_STRIDE = 162
"""Frames between the starts of windows of 243: a third of each overlaps the next."""
_CONTEXT_FRAMES = 250  # to either side, from which gaps at a window's ends are filled
_BATCH_WINDOWS = 4  # in one forward pass

Prediction = tuple[np.ndarray, np.ndarray]
"""Root-relative joints (T, J, 3) and the scale (T, J) of their error, metres."""


class Windows:
    """Windows of a sequence, as inputs of a network.

    Args:
        sequence: camera space, at the rate of the network.
        network: a ``Prior`` (nine channels a joint) or a bare DSTformer (joints as they come).
        length, stride: frames, reduced in proportion where the network takes fewer.
        partial: the published cut: windows every ``stride`` frames, the last as short as it is.
    """

    def __init__(
        self,
        sequence: PoseSequence | StreamedSequence,
        network: nn.Module,
        length: int = WINDOW_FRAMES,
        stride: int = WINDOW_STRIDE,
        partial: bool = False,
    ):
        longest = getattr(getattr(network, "backbone", network), "config", {}).get("maxlen", length)
        if length > longest:
            length, stride = longest, max(1, stride * longest // length)
        self.sequence, self.length = sequence, length
        self.is_prior = isinstance(network, Prior)
        self.device = next(network.parameters()).device
        frames = len(sequence)
        self.starts = (
            list(range(0, frames, stride)) if partial else window_starts(frames, length, stride)
        )
        self._has_person = np.concatenate([~part.missing.all(1) for part in sequence.iter_parts()])

    def __len__(self) -> int:
        return len(self.starts)

    def get_confidence(self, i: int) -> Float[np.ndarray, "T J"]:
        """Confidence in window ``i``, as observed."""
        return self.sequence[self.starts[i] : self.starts[i] + self.length].confidence

    def fill_relative(self, i: int) -> Float[np.ndarray, "T J 3"]:
        """Root-relative joints of window ``i``, linearly filled where missing; metres."""
        part, inner = self._cut_with_context(i)
        root = _fill_root(part) if self.is_prior else 0.0
        filled = fill_linear(part.joints - root, ~part.missing)[inner]
        return filled - filled[:, :1]

    def make_features(
        self,
        i: int,
        hidden: Bool[np.ndarray, "T J"] | None = None,
        replacement: tuple[np.ndarray | float, np.ndarray | float] | None = None,
    ) -> Float[Tensor, "1 T J C"]:
        """The network's input for window ``i``.

        Args:
            hidden: joints that are given as missing or, with a ``replacement``, as low-confidence
                detections.
            replacement: of ``hidden`` joints: an error (T, J, 3) to add, metres, and their
                confidence (T, J); arrays or numbers.
        """
        part, inner = self._cut_with_context(i)
        joints, confidence = part.joints, part.confidence
        if hidden is not None:
            error, low = (0.0, 0.0) if replacement is None else replacement
            joints, confidence = joints.copy(), confidence.copy()
            joints[inner] += np.where(hidden[..., None], error, 0.0)
            confidence[inner] = np.where(hidden & (confidence[inner] > 0), low, confidence[inner])
        if self.is_prior:
            root, trusted = _fill_root(part), part.confidence >= CONFIDENCE_THRESHOLD
            # of the observation, whatever is hidden
            repeats = find_repeated_frames(part.joints - root, trusted, part.fps)
            features = make_input_features(joints, confidence, part.fps, root, repeats)[inner]
        else:
            features = fill_linear(joints, confidence > 0)[inner].astype(np.float32)
        return torch.from_numpy(features)[None].to(self.device)

    def make_second_pass_features(
        self,
        i: int,
        joints: Float[np.ndarray, "T J 3"],
        scale: Float[np.ndarray, "T J"],
        ratio: float = OUTLIER_RATIO,
    ) -> Float[Tensor, "1 T J C"]:
        """`make_features` of window ``i`` with the outliers of a first prediction, ``joints`` and
        ``scale``, at low confidence."""
        trusted = self.get_confidence(i) >= CONFIDENCE_THRESHOLD
        outliers = find_outliers(self.fill_relative(i), trusted, joints, scale, ratio)
        return self.make_features(i, outliers, (0.0, OUTLIER_CONFIDENCE))

    def smooth_root(self, i: int) -> Float[np.ndarray, "T 1 3"]:
        """The pelvis's path in window ``i``, filled and smoothed; metres."""
        part, inner = self._cut_with_context(i)
        return gaussian(part).joints[inner, :1]

    def make_batches(self) -> Iterator[list[int]]:
        """Indices of windows of one length, a few at a time."""
        frames = len(self.sequence)
        full = [i for i, start in enumerate(self.starts) if start + self.length <= frames]
        yield from (full[k : k + _BATCH_WINDOWS] for k in range(0, len(full), _BATCH_WINDOWS))
        yield from ([i] for i in range(len(full), len(self.starts)))

    def predict(
        self, network: nn.Module, second_pass: bool = False
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray | None]]:
        """The flip-averaged prediction, span by span: frames, root-relative joints (t, J, 3), the
        root's path (t, 1, 3), and scale (t, J), or ``None`` of a bare network; metres.

        Overlapping windows are blended, and no more than the overlap is held. The pelvis, from
        which everything is measured, has error and scale 0.

        Args:
            second_pass: predict again with the outliers of the first prediction at low confidence,
                and average both (a ``Prior`` only).
        """
        begin, sums = 0, []  # weighted sums of the frames that windows to come may add to
        for i, joints, scale in self._predict_windows(network, second_pass and self.is_prior):
            if (done := self.starts[i] - begin) > 0:
                yield self._normalize(begin, [total[:done] for total in sums])
                begin, sums = self.starts[i], [total[done:] for total in sums]
            weight = blend_weights(len(joints))[:, None]
            root = weight[..., None] * self.smooth_root(i)
            window = [weight[..., None] * joints, root, weight * scale, weight]
            overlap = len(sums[0]) if sums else 0
            sums = [
                np.concatenate([total + new[:overlap], new[overlap:]])
                for total, new in zip(sums, window)
            ] or window
        yield self._normalize(begin, sums)

    def _predict_windows(
        self, network: nn.Module, second_pass: bool
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for batch in self.make_batches():
            features = torch.cat([self.make_features(i) for i in batch])
            predictions = predict_with_flip(network, features)
            if second_pass:
                again = [
                    self.make_second_pass_features(i, *first)
                    for i, first in zip(batch, predictions)
                ]
                second = predict_with_flip(network, torch.cat(again))
                predictions = [average_predictions(*both) for both in zip(predictions, second)]
            for i, (joints, scale) in zip(batch, predictions):
                yield i, joints, scale

    def _normalize(self, begin: int, sums: list[np.ndarray]):
        joints, root, scale, weight = sums
        joints, root, scale = joints / weight[..., None], root / weight[..., None], scale / weight
        joints[:, 0], scale[:, 0] = 0.0, 0.0
        span = slice(begin, begin + len(joints))
        return span, joints, root, scale if self.is_prior else None

    def _cut_with_context(self, i: int) -> tuple[PoseSequence, slice]:
        """Window ``i`` with frames to either side, and where in them it lies."""
        start, frames = self.starts[i], len(self.sequence)
        end, low = min(start + self.length, frames), max(start - _CONTEXT_FRAMES, 0)
        part = self.sequence[low : end + _CONTEXT_FRAMES]
        if part.missing.all():
            part = self._insert_nearest_person(part, start, low)
        return part, slice(start - low, end - low)

    def _insert_nearest_person(self, part: PoseSequence, start: int, low: int) -> PoseSequence:
        """A part without anybody, the nearest frame with somebody put at that end."""
        occupied = np.flatnonzero(self._has_person)
        nearest = int(occupied[np.abs(occupied - start).argmin()])
        source = self.sequence[nearest : nearest + 1]
        joints, confidence = part.joints.copy(), part.confidence.copy()
        end = 0 if nearest < low else -1
        joints[end], confidence[end] = source.joints[0], source.confidence[0]
        return part.replace(joints=joints, confidence=confidence)


def _fill_root(part: PoseSequence) -> np.ndarray:
    """(T, 1, 3) the pelvis's path; where only the pelvis is lost, the other joints give it."""
    if (part.missing[:, 0] & ~part.missing.all(1)).any():
        return fill_gaps(part).joints[:, :1]
    return fill_linear(part.joints[:, :1], ~part.missing[:, :1])


def average_predictions(first: Prediction, second: Prediction) -> Prediction:
    """The mean of two predictions, joints and scale.

    A second pass that wrongly rejected an observation can be far off. The mean keeps more than half
    of its gain, and no regime of ``val`` loses more than 1 %
    (``benchmarks/ablations/second_pass.py``).
    """
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
