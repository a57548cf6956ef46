"""A real Prometheus that scrapes the learner's service every second and evaluates the learner's
alert rules.

Its port is closed: every request without the password of this run gets 401, so no other party of
the pod can read what it knows, load it with queries, or fill it. The engine asks it through this
program, over stdin and stdout.
"""
