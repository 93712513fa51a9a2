"""A long sequence as a network sees it: window by window, each with a look to either side.

Only a few windows are held at a time, so the working memory does not depend on how long the
sequence is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.models.losses import flip
from stride_nb.models.motion_prior import Prior, condition, mirrored
from stride_nb.poses.gap_filling import fill
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, held
from stride_nb.poses.sequence import PoseSequence, blend_weights, window_starts
from stride_nb.poses.skeleton import H36M17
from stride_nb.refinement.filters import gaussian
from stride_nb.refinement.outlier_rejection import DOUBT, UNSURE, disbelieved

__all__ = ["LENGTH", "STRIDE", "Windows"]

# windows, and how far apart they begin: a third of each is blended with the next
LENGTH, STRIDE = 243, 162
_CONTEXT = 250  # frames to either side from which gaps at a window's ends are filled
_AT_ONCE = 4  # windows in one forward pass


class Windows:
    """Windows of a sequence, as inputs of a network.

    Args:
        sequence: camera space, at the rate of the network.
        network: a ``Prior`` (nine channels a joint) or a bare DSTformer (joints as they come).
        length, stride: frames, fewer in proportion where the network takes fewer; ``stride ==
            length`` and ``partial`` give the published cutting: no overlap, the last window as
            short as it is.
    """

    def __init__(
        self,
        sequence: PoseSequence,
        network: nn.Module,
        length: int = LENGTH,
        stride: int = STRIDE,
        partial: bool = False,
    ):
        most = getattr(getattr(network, "backbone", network), "config", {}).get("maxlen", length)
        if length > most:
            length, stride = most, max(1, stride * most // length)
        self.sequence, self.length, self.reads_channels = (
            sequence,
            length,
            isinstance(network, Prior),
        )
        self.device = next(network.parameters()).device
        self.starts = (
            list(range(0, len(sequence), stride))
            if partial
            else window_starts(len(sequence), length, stride)
        )
        # is anybody in that frame?
        self._seen = np.concatenate([~part.missing.all(1) for part in sequence.parts()])

    def __len__(self) -> int:
        return len(self.starts)

    def confidence(self, i: int) -> np.ndarray:
        """(T, J) of window ``i``."""
        return self.sequence[self.starts[i] : self.starts[i] + self.length].confidence

    def relative(self, i: int) -> np.ndarray:
        """(T, J, 3) root-relative joints of window ``i`` as observed, linearly filled where
        missing; metres."""
        part, inner = self._around(i)
        root = self._root(part) if self.reads_channels else 0.0
        filled = fill_linear(part.joints - root, ~part.missing)[inner]
        return filled - filled[:, :1]

    def features(
        self,
        i: int,
        blind: np.ndarray | None = None,
        hints: tuple[np.ndarray | float, np.ndarray | float] | None = None,
    ) -> Tensor:
        """(1, T, J, C) what the network is told of window ``i``.

        Args:
            blind: (T, J) bool, joints that are given as missing or, with ``hints``, as guesses.
            hints: of ``blind`` joints: an error (T, J, 3) to add, metres, and their confidence (T,
                J); arrays or numbers.
        """
        part, inner = self._around(i)
        joints, confidence = part.joints, part.confidence
        if blind is not None:
            error, guess = (0.0, 0.0) if hints is None else hints
            joints, confidence = joints.copy(), confidence.copy()
            joints[inner] += np.where(blind[..., None], error, 0.0)
            confidence[inner] = np.where(blind & (confidence[inner] > 0), guess, confidence[inner])
        if self.reads_channels:
            root = self._root(part)
            # as observed, whatever is blind
            repeats = held(part.joints - root, part.confidence >= CONFIDENCE_THRESHOLD, part.fps)
            told = condition(joints, confidence, part.fps, root, repeats)[inner]
        else:
            told = fill_linear(joints, confidence > 0)[inner].astype(np.float32)
        return torch.from_numpy(told)[None].to(self.device)

    def root(self, i: int) -> np.ndarray:
        """(T, 1, 3) the pelvis's path in window ``i``, filled and smoothed; metres."""
        part, inner = self._around(i)
        return gaussian(part).joints[inner, :1]

    def _around(self, i: int) -> tuple[PoseSequence, slice]:
        a, b = self.starts[i], min(self.starts[i] + self.length, len(self.sequence))
        low = max(a - _CONTEXT, 0)
        part = self.sequence[low : b + _CONTEXT]
        # nobody near: the nearest frame that has somebody is put at that end
        if part.missing.all():
            seen = np.flatnonzero(self._seen)
            nearest = int(seen[np.abs(seen - a).argmin()])
            joints, confidence, end = (
                part.joints.copy(),
                part.confidence.copy(),
                0 if nearest < low else -1,
            )
            there = self.sequence[nearest : nearest + 1]
            joints[end], confidence[end] = there.joints[0], there.confidence[0]
            part = part.replace(joints=joints, confidence=confidence)
        return part, slice(a - low, min(a + self.length, len(self.sequence)) - low)

    @staticmethod
    def _root(part: PoseSequence) -> np.ndarray:
        # only the pelvis is lost: the others say where it is
        if (part.missing[:, 0] & ~part.missing.all(1)).any():
            return fill(part).joints[:, :1]
        return fill_linear(part.joints[:, :1], ~part.missing[:, :1])

    def batches(self) -> Iterator[list[int]]:
        """Windows of one length, a few at a time."""
        full = [i for i, a in enumerate(self.starts) if a + self.length <= len(self.sequence)]
        yield from (full[k : k + _AT_ONCE] for k in range(0, len(full), _AT_ONCE))
        yield from ([i] for i in range(len(full), len(self.starts)))

    def predict(
        self, network: nn.Module, twice: bool = False
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray | None]]:
        """Frames, root-relative joints (t, J, 3), the root's path (t, 1, 3), scale (t, J) or
        ``None``, span by span; metres.

        The mean of the plain and the mirrored pass; windows blended where they overlap, of which no
        more than the overlap is held. The pelvis, from which everything is measured, has error and
        scale 0.

        Args:
            network: a ``Prior``, or a bare DSTformer, which cannot look twice.
            twice: answers again, without trust in readings that its first answer does not believe
                (`doubt`), and gives the mean of both.
        """
        begun, sums = 0, []  # of the frames from ``begun`` on, which windows to come may add to
        for i, x, s in self._answers(network, twice and self.reads_channels):
            if (a := self.starts[i]) > begun:
                yield self._blended(begun, [total[: a - begun] for total in sums])
                begun, sums = a, [total[a - begun :] for total in sums]
            share = blend_weights(len(x))[:, None]
            told = [share[..., None] * x, share[..., None] * self.root(i), share * s, share]
            n = len(sums[0]) if sums else 0
            sums = [
                np.concatenate([total + new[:n], new[n:]]) for total, new in zip(sums, told)
            ] or told
        yield self._blended(begun, sums)

    def _answers(
        self, network: nn.Module, twice: bool
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for batch in self.batches():
            answers = both_ways(network, torch.cat([self.features(i) for i in batch]))
            if twice:
                again = both_ways(
                    network, torch.cat([self.reread(i, x, s) for i, (x, s) in zip(batch, answers)])
                )
                answers = [between(*both) for both in zip(answers, again)]
            for i, (x, s) in zip(batch, answers):
                yield i, x, s

    def reread(self, i: int, joints: np.ndarray, scale: np.ndarray, doubt: float = DOUBT) -> Tensor:
        """``features`` of window ``i`` without trust in what an answer to it, joints (T, J, 3) and
        scale (T, J), does not believe."""
        wrong = disbelieved(self.relative(i), self.confidence(i) >= CONFIDENCE_THRESHOLD, joints, scale, doubt)
        return self.features(i, wrong, (0.0, UNSURE))

    def _blended(self, begun: int, sums: list[np.ndarray]):
        joints, root, scale, weight = sums
        joints, root, scale = joints / weight[..., None], root / weight[..., None], scale / weight
        joints[:, 0], scale[:, 0] = 0.0, 0.0
        return (
            slice(begun, begun + len(joints)),
            joints,
            root,
            scale if self.reads_channels else None,
        )


def between(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of two answers, joints (T, J, 3) and scale (T, J).

    A second look that was wrong to doubt can be far off. Halfway more than half of its gain is
    left, and no regime of ``val`` loses more than 1 % (``benchmarks/ablations/second_pass.py``).
    """
    return tuple((a + b) / 2 for a, b in zip(first, second))


@torch.no_grad()
def both_ways(network: nn.Module, features: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every window: joints (T, J, 3), the mean of the plain and the mirrored pass, and scale
    (T, J); float64."""
    if not isinstance(network, Prior):
        joints = (network(features) + flip(network(flip(features)))) / 2
        return [(x, np.zeros(x.shape[:2])) for x in joints.double().cpu().numpy()]
    plain, turned = network(features), network(mirrored(features))
    order = list(H36M17.mirror)
    joints = ((plain.joints + flip(turned.joints)) / 2).double().cpu().numpy()
    scale = ((plain.scale + turned.scale[..., order]) / 2).double().cpu().numpy()
    return list(zip(joints, scale))
