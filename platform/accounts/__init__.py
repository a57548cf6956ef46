"""People: the user model, sign-up and sign-in, roles, the first instructor."""
