"""A clock that the lab controls: services ask it for the time instead of their own machine."""
