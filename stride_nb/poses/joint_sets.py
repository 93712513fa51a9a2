"""Joint sets beside those that `skeleton` spells out, as data: order, tree, and their rows of
Human3.6M's 17.

Orders are those of each set's owners:

* ``body25b``: OpenPose's experimental BODY_25B (perfanalytics/pose2sim, ``Pose2Sim/skeletons.py``);
  its neck lies at the height of the chin.
* ``mpi15``: OpenPose's ``--model_pose MPI`` (CMU-Perceptual-Computing-Lab/openpose,
  ``src/openpose/pose/poseParameters.cpp``).
* ``crowdpose14``, ``aic14``, ``mpii16``, ``mpi_inf_3dhp17`` (its test set): open-mmlab/mmpose,
  ``configs/_base_/datasets/``. ``mpi_inf_3dhp28`` (its training set), ``hybrik29``:
  open-mmlab/mmhuman3d, ``mmhuman3d/core/conventions/keypoints_mapping/``.
* ``halpe136``: Fang-Haoshu/Halpe-FullBody, README: Halpe-26, 68 of the face, 21 of each hand.
* ``panoptic19``: CMU-Perceptual-Computing-Lab/panoptic-toolbox, README.
* ``kinect25``: ``JointType`` of Kinect for Windows SDK 2.0; ``kinect32``: ``k4abt_joint_id_t`` of
  the Azure Kinect Body Tracking SDK (learn.microsoft.com/azure/kinect-dk/body-joints).
* ``smpl22``: SMPL's first 22, as AMASS and HumanML3D keep them (vchoutas/smplx,
  ``smplx/joint_names.py``).
* ``mhr70``: facebookresearch/sam-3d-body, ``sam_3d_body/metadata/mhr70.py``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["JOINT_TABLES", "JointTable"]

JointRow = dict[str, float]


class JointTable(NamedTuple):
    """A joint set: its tree, and what it says of Human3.6M's 17."""

    tree: str
    """``joint:parent`` in the set's order; the root has no parent."""
    rows: dict[str, JointRow]
    """Human3.6M joints as weighted means; the limbs, which go by the same names, are left out."""


_ARMS = "lelbow:lshoulder relbow:rshoulder lwrist:lelbow rwrist:relbow"
_COCO = (
    "nose:{neck} leye:nose reye:nose lear:leye rear:reye lshoulder:{neck} rshoulder:{neck} "
    f"{_ARMS} lhip:{{hip}} rhip:{{hip}} lknee:lhip rknee:rhip lankle:lknee rankle:rknee"
)
_FINGERS = " ".join(
    f"{side}hand{i}:{side}{'wrist' if i == 0 else f'hand{0 if i % 4 == 1 else i - 1}'}"
    for side in "lr"
    for i in range(21)
)

_HIPS = {"lhip": 0.5, "rhip": 0.5}
_SHOULDERS = {"lshoulder": 0.5, "rshoulder": 0.5}
_EYES = {"leye": 0.5, "reye": 0.5}


def _halve(a: JointRow, b: JointRow) -> JointRow:
    """The point midway between two rows."""
    return {name: (a.get(name, 0) + b.get(name, 0)) / 2 for name in (*a, *b)}


def _make_rows(
    pelvis: JointRow,
    thorax: JointRow,
    neck: JointRow,
    head: JointRow,
    spine: JointRow | None = None,
) -> dict[str, JointRow]:
    spine = spine or _halve(pelvis, thorax)
    return {"pelvis": pelvis, "spine": spine, "thorax": thorax, "neck": neck, "head": head}


_SMPL_TREE = (
    "pelvis lhip:pelvis rhip:pelvis spine1:pelvis lknee:lhip rknee:rhip spine2:spine1 "
    "lankle:lknee rankle:rknee spine3:spine2 lfoot:lankle rfoot:rankle neck:spine3 "
    "lcollar:spine3 rcollar:spine3 {head}:neck lshoulder:lcollar rshoulder:rcollar "
    f"{_ARMS}"
)
_NECK, _TOP = {"neck": 1.0}, {"headtop": 1.0}
_MIDDLE = _halve(_NECK, _TOP)

JOINT_TABLES: dict[str, JointTable] = {
    "body25b": JointTable(
        _COCO.format(neck="neck", hip="neck") + " neck headtop:neck lbigtoe:lankle "
        "lsmalltoe:lbigtoe lheel:lankle rbigtoe:rankle rsmalltoe:rbigtoe rheel:rankle",
        _make_rows(_HIPS, _SHOULDERS, _NECK, _TOP),
    ),
    "mpi15": JointTable(
        "head:neck neck:chest rshoulder:neck relbow:rshoulder rwrist:relbow lshoulder:neck "
        "lelbow:lshoulder lwrist:lelbow rhip:chest rknee:rhip rankle:rknee lhip:chest lknee:lhip "
        "lankle:lknee chest",
        _make_rows(_HIPS, _NECK, {"neck": 0.5, "head": 0.5}, {"head": 1.0}, {"chest": 1.0}),
    ),
    "crowdpose14": JointTable(
        f"lshoulder:neck rshoulder:neck {_ARMS} lhip:neck rhip:neck lknee:lhip rknee:rhip "
        "lankle:lknee rankle:rknee headtop:neck neck",
        _make_rows(_HIPS, _NECK, _MIDDLE, _TOP),
    ),
    "aic14": JointTable(
        "rshoulder:neck relbow:rshoulder rwrist:relbow lshoulder:neck lelbow:lshoulder "
        "lwrist:lelbow rhip:neck rknee:rhip rankle:rknee lhip:neck lknee:lhip lankle:lknee "
        "headtop:neck neck",
        _make_rows(_HIPS, _NECK, _MIDDLE, _TOP),
    ),
    "mpii16": JointTable(
        "rankle:rknee rknee:rhip rhip:pelvis lhip:pelvis lknee:lhip lankle:lknee pelvis "
        "thorax:pelvis neck:thorax headtop:neck rwrist:relbow relbow:rshoulder rshoulder:thorax "
        "lshoulder:thorax lelbow:lshoulder lwrist:lelbow",
        _make_rows({"pelvis": 1.0}, {"thorax": 1.0}, _NECK, _TOP),
    ),
    "mpi_inf_3dhp17": JointTable(
        "headtop:head neck:spine rshoulder:neck relbow:rshoulder rwrist:relbow lshoulder:neck "
        "lelbow:lshoulder lwrist:lelbow rhip:pelvis rknee:rhip rankle:rknee lhip:pelvis "
        "lknee:lhip lankle:lknee pelvis spine:pelvis head:neck",
        _make_rows({"pelvis": 1.0}, _NECK, {"head": 1.0}, _TOP, {"spine": 1.0}),
    ),
    "mpi_inf_3dhp28": JointTable(
        "spine3:spine2 spine4:spine3 spine2:spine spine:pelvis pelvis neck:spine4 head:neck "
        "headtop:head lclavicle:spine4 lshoulder:lclavicle lelbow:lshoulder lwrist:lelbow "
        "lhand:lwrist rclavicle:spine4 rshoulder:rclavicle relbow:rshoulder rwrist:relbow "
        "rhand:rwrist lhip:pelvis lknee:lhip lankle:lknee lfoot:lankle ltoe:lfoot rhip:pelvis "
        "rknee:rhip rankle:rknee rfoot:rankle rtoe:rfoot",
        _make_rows({"pelvis": 1.0}, _NECK, {"head": 1.0}, _TOP, {"spine": 1.0}),
    ),
    "halpe136": JointTable(
        _COCO.format(neck="neck", hip="hip") + " head:neck neck:hip hip lbigtoe:lankle "
        "rbigtoe:rankle lsmalltoe:lbigtoe rsmalltoe:rbigtoe lheel:lankle rheel:rankle "
        + " ".join(f"face{i}:nose" for i in range(68))
        + " "
        + _FINGERS,
        _make_rows({"hip": 1.0}, _NECK, {"nose": 1.0}, {"head": 1.0}),
    ),
    "panoptic19": JointTable(
        "neck:midhip nose:neck midhip lshoulder:neck lelbow:lshoulder lwrist:lelbow lhip:midhip "
        "lknee:lhip lankle:lknee rshoulder:neck relbow:rshoulder rwrist:relbow rhip:midhip "
        "rknee:rhip rankle:rknee leye:nose lear:leye reye:nose rear:reye",
        _make_rows({"midhip": 1.0}, _NECK, {"nose": 1.0}, _EYES),
    ),
    "kinect25": JointTable(
        "spinebase spinemid:spinebase neck:spineshoulder head:neck lshoulder:spineshoulder "
        "lelbow:lshoulder lwrist:lelbow lhand:lwrist rshoulder:spineshoulder relbow:rshoulder "
        "rwrist:relbow rhand:rwrist lhip:spinebase lknee:lhip lankle:lknee lfoot:lankle "
        "rhip:spinebase rknee:rhip rankle:rknee rfoot:rankle spineshoulder:spinemid "
        "lhandtip:lhand lthumb:lhand rhandtip:rhand rthumb:rhand",
        _make_rows(
            {"spinebase": 1.0},
            {"spineshoulder": 1.0},
            {"neck": 0.5, "head": 0.5},
            {"head": 1.5, "neck": -0.5},
            {"spinemid": 1.0},
        ),
    ),
    "kinect32": JointTable(
        "pelvis spinenavel:pelvis spinechest:spinenavel neck:spinechest lclavicle:spinechest "
        "lshoulder:lclavicle lelbow:lshoulder lwrist:lelbow lhand:lwrist lhandtip:lhand "
        "lthumb:lwrist rclavicle:spinechest rshoulder:rclavicle relbow:rshoulder rwrist:relbow "
        "rhand:rwrist rhandtip:rhand rthumb:rwrist lhip:pelvis lknee:lhip lankle:lknee "
        "lfoot:lankle rhip:pelvis rknee:rhip rankle:rknee rfoot:rankle head:neck nose:head "
        "leye:head lear:head reye:head rear:head",
        _make_rows({"pelvis": 1.0}, _NECK, {"nose": 1.0}, _EYES, {"spinenavel": 1.0}),
    ),
    "smpl22": JointTable(
        _SMPL_TREE.format(head="head"),
        _make_rows(_HIPS, _NECK, {"head": 1.0}, {"head": 2.0, "neck": -1.0}, {"spine2": 1.0}),
    ),
    "hybrik29": JointTable(
        _SMPL_TREE.format(head="jaw") + " lthumb:lwrist rthumb:rwrist head:jaw lmiddle:lwrist "
        "rmiddle:rwrist lbigtoe:lfoot rbigtoe:rfoot",
        _make_rows(_HIPS, _NECK, {"jaw": 1.0}, {"head": 1.0}, {"spine2": 1.0}),
    ),
    "mhr70": JointTable(
        "nose:neck leye:nose reye:nose lear:leye rear:reye lshoulder:neck rshoulder:neck "
        "lelbow:lshoulder relbow:rshoulder lhip:neck rhip:neck lknee:lhip rknee:rhip lankle:lknee "
        "rankle:rknee lbigtoe:lankle lsmalltoe:lankle lheel:lankle rbigtoe:rankle "
        "rsmalltoe:rankle rheel:rankle "
        + " ".join(
            " ".join(
                f"{side}{finger}{i}:{side}wrist"
                for finger in ("thumb", "index", "middle", "ring", "pinky")
                for i in range(4)
            )
            + f" {side}wrist:{side}elbow"
            for side in "rl"
        )
        + " lolecranon:lelbow rolecranon:relbow lcubitalfossa:lelbow rcubitalfossa:relbow "
        "lacromion:lshoulder racromion:rshoulder neck",
        _make_rows(_HIPS, _NECK, {"nose": 1.0}, _EYES),
    ),
}
"""By name."""
