"""Public portfolios: what a learner chooses to show."""
