"""Rendered people: motion capture on a body of many shapes, filmed among things that hide it.

The truth is exact: joints in camera axes, and for every joint and frame what stands between it and
the camera. Extra ``render``.
"""
