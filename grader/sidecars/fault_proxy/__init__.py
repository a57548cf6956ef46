"""A TCP proxy on the path between two parties: the place for latency, cuts and slow links, in user
space.
"""
