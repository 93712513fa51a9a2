"""Joint sets, sequences of poses and keypoints, geometry, and what fills gaps."""
