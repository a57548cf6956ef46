"""Placeholder package doc; the app follows."""
