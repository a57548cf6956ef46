"""Statistics: the ratio rule and exact histograms. Pure functions; docs/grading.md says why."""
