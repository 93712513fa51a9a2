"""Real pixels: frames of a video, an estimator run on them, the overlay (extra ``video``)."""
