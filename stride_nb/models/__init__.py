"""The networks: backbones `dstformer` (MotionBERT, STRIDE, RePOSE: one class) and `frameformer`,
`motion_prior` and `lifter` over them, and `smoothnet`, a learnt filter.
"""
