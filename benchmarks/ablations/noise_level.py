"""How precise are a sequence's detections? The fit behind `refinement.fusion`, and what that does.

    python -m benchmarks.ablations.noise_level --windows 10

Windows of CMU's training people under six noise models, their errors scaled by 0 to 1, are answered
by the frozen prior. The logarithms of a joint's mean error and of the answer's are fitted to those
of three features by least squares. Validation people under six noise models, of which four were not
in the fit, then show visible and hidden errors of input, frozen prior, and prior with fusion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.frames import pd
from benchmarks.study import Study, make_parser, parse_arguments
from stride_nb.datasets import cmu
from stride_nb.evaluation.harness import Case, Place, make_cases
from stride_nb.models.registry import load_shared_model
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement import fusion
from stride_nb.refinement.refine import refine

FITTED = ("estimator", "varied", "articulated", "keyframe", "outlier", "repeat")
SHOWN = ("estimator", "varied", "drift", "tokens", "tracked", "lag")
REGIMES = ("limb", "half", "block")
FITTED_GAINS, GAINS = (0.0, 0.1, 0.25, 0.5, 1.0), (0.0, 0.25, 0.5, 1.0)
_FEWEST = 20  # frames in which a joint is seen


def scale_case(case: Case, gain: float) -> PoseSequence:
    """A case's estimate with its errors relative to the pelvis scaled."""
    truth = case.truth - case.truth[:, :1]
    estimate = case.sequence.root_relative()
    joints = truth + gain * (estimate.joints - truth)
    return estimate.replace(joints=joints)


def answer_cases(
    split: str, models: Sequence[str], gains: Sequence[float], windows: int, seed: int
) -> Iterator[tuple[Case, float, PoseSequence, PoseSequence]]:
    """Cases, gains, scaled estimates and the frozen prior's answers."""
    network, clips = load_shared_model("prior"), cmu.load(split)

    def choose(places: list[Place]) -> list[Place]:
        rng = np.random.default_rng(seed)
        return [places[i] for i in rng.choice(len(places), windows, replace=False)]

    for model in models:
        for case in make_cases(clips, REGIMES, model, seed=seed, choose=choose):
            for gain in gains:
                estimate = scale_case(case, gain)
                yield case, gain, estimate, refine(estimate, "prior", network).sequence[:]


def fit_coefficients(windows: int, seed: int) -> list[dict]:
    """A row a fitted error: its three coefficients, and the scatter of the logarithm."""
    bones, jitter, apart, own, prior = [], [], [], [], []
    for case, _, estimate, answer in answer_cases("train", FITTED, FITTED_GAINS, windows, seed):
        truth = case.truth - case.truth[:, :1]
        seen = (estimate.confidence >= CONFIDENCE_THRESHOLD) & case.visible
        detected, answered = (track.root_relative().joints for track in (estimate, answer))
        features = fusion.measure_features(detected, answered, seen)
        errors = [np.linalg.norm(np.nan_to_num(x) - truth, axis=-1) for x in (detected, answered)]
        used = (seen.sum(0) >= _FEWEST) & np.isfinite(features).all(0)
        used[0] = False
        for column, values in zip((bones, jitter, apart), features):
            column += values[used].tolist()
        for column, values in zip((own, prior), errors):
            column += ((values * seen).sum(0)[used] / seen.sum(0)[used]).tolist()
    logs = [np.log(np.array(c) + 1e-3) for c in (bones, jitter, apart, own, prior)]
    pairs = {
        "DETECTION_BY_BONES": (0, 3),
        "DETECTION_BY_JITTER": (1, 3),
        "ANSWER_BY_JITTER": (1, 4),
    }
    rows = []
    for name, (feature, target) in pairs.items():
        columns = np.stack([np.ones(len(logs[0])), logs[feature], logs[2]], -1)
        fitted = np.linalg.lstsq(columns, logs[target], rcond=None)[0]
        scatter = float(np.std(logs[target] - columns @ fitted))
        rows.append(
            {"name": name, "scatter": round(scatter, 3)}
            | dict(zip("abc", fitted.round(3).tolist()))
        )
    return rows


def measure_fusion(windows: int, seed: int) -> list[dict]:
    """A row a case, gain and method: visible and hidden error, mm."""
    rows = []
    for case, gain, estimate, answer in answer_cases("val", SHOWN, GAINS, windows, seed):
        truth = case.truth - case.truth[:, :1]
        fused = fusion.fuse_with_detections(estimate, answer)[0][:]
        for method, track in (("input", estimate), ("prior", answer), ("fused", fused)):
            error = 1000 * np.linalg.norm(track.root_relative().joints - truth, axis=-1)
            known = np.isfinite(error)
            parts = {"visible": case.visible & known, "hidden": ~case.visible & known}
            rows.append(
                {"noise": case.family, "gain": gain, "method": method}
                | {f"{n}_mm": round(float(error[m].mean()), 2) for n, m in parts.items() if m.any()}
            )
    return rows


def average_gains(rows: Sequence[Mapping]) -> list[dict]:
    """A row a noise model, gain and method."""
    frame = pd.DataFrame(rows).groupby(["noise", "gain", "method"], sort=False)
    return frame[["visible_mm", "hidden_mm"]].mean().round(2).reset_index().to_dict("records")


def main() -> None:
    """The fit, then what fusion does with it."""
    args = parse_arguments(make_parser(__doc__, windows=10, seed=5, threads=1))
    study = Study("noise_level", vars(args), args.seed, prior="prior")
    study.add({"part": "fit"} | row for row in fit_coefficients(args.windows, args.seed))
    rows = average_gains(measure_fusion(args.windows, args.seed))
    study.add({"part": "val"} | row for row in rows)
    study.save(
        f"windows of CMU's people, regimes {', '.join(REGIMES)}, errors scaled by the gain: fitted "
        "on train; visible and hidden error on val, mm"
    )


if __name__ == "__main__":
    main()
