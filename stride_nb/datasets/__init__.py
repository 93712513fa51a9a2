"""Where motion comes from: a file a source; `simulation` makes detections of it."""

from stride_nb.datasets.registry import load, sources, terms

__all__ = ["load", "sources", "terms"]
