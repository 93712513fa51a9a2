"""Bodies: the surface that a skeleton moves. Parameters in and out of SMPL's family, and a stand-in
of our own.

``load`` gives a body, ``fit`` finds the parameters of a sequence, ``render`` draws, ``gltf`` writes
an animation.
"""

from stride_nb.smpl.body_model import Body, load
from stride_nb.smpl.fitting import Fitted, fit
from stride_nb.smpl.parameters import BodyMotion
from stride_nb.smpl.standin_body import SHAPE_NAMES, standin

__all__ = ["SHAPE_NAMES", "Body", "BodyMotion", "Fitted", "fit", "load", "standin"]
