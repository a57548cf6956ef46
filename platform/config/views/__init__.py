"""Pages that look at all apps, so they stand at the top of the layers."""
