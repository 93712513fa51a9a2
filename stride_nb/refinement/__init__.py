"""From noisy, occluded poses to continuous, plausible ones."""
