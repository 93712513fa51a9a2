"""Metrics with their intervals, and what runs them: evaluation windows × regimes × noise × methods,
and the protocols of published benchmarks.
"""
