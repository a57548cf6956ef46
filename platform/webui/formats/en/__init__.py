"""English, written for engineers anywhere."""
