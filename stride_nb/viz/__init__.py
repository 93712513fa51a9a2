"""Figures, tables and players."""
