"""Bodies of the SMPL family: `load_body` gives a body, `fit` finds the parameters of a sequence.

The stand-in body of our own needs no registration.
"""

from stride_nb.smpl.body_model import Body, load_body
from stride_nb.smpl.fitting import BodyFit, fit
from stride_nb.smpl.parameters import BodyMotion
from stride_nb.smpl.standin_body import SHAPE_NAMES, make_standin_body

__all__ = ["SHAPE_NAMES", "Body", "BodyFit", "BodyMotion", "fit", "load_body", "make_standin_body"]
