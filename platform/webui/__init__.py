"""The look: base template, tags, plots, and the pages that belong to no app."""
