"""Plots as server-rendered SVG that reflows: pure functions from data to markup.

x is in percent and y in pixels, so text and dots keep their size at any width. Paths live in a
stretched inner svg.
"""
