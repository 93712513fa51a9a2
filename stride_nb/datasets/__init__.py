"""Where motion comes from: a file a source; `simulation` makes detections of it."""

from stride_nb.datasets.registry import get_terms, list_sources, load

__all__ = ["get_terms", "list_sources", "load"]
