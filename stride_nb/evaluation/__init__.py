"""Errors, intervals, and what is run to measure them: windows × regimes × noise × methods, and
published protocols."""
