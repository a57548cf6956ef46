"""A lab proves its own grading, and the proofs are on record."""
