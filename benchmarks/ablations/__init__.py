"""What each part is worth: a module an ablation, ``python -m benchmarks.ablations.NAME``."""
