"""Bodies: the surface that a skeleton moves. Parameters in and out of SMPL's family, and a stand-in of our own.

``load`` gives a body, ``fit`` finds the parameters of a sequence, ``render`` draws, ``gltf`` writes an animation.
"""

from .fit import Fitted, fit
from .model import Body, load
from .motion import BodyMotion
from .standin import SHAPE_NAMES, standin

__all__ = ["SHAPE_NAMES", "Body", "BodyMotion", "Fitted", "fit", "load", "standin"]
