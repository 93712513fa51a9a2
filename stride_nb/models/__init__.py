"""The networks: backbones `dstformer` (MotionBERT, STRIDE, RePOSE: one class) and `frameformer`,
`prior` and `lifter` over them, and `smoothnet` (a learnt filter).
"""
