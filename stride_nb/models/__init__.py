"""The networks: `dstformer` (MotionBERT, STRIDE, RePOSE: one class) and `smoothnet` (a learnt filter)."""
