"""What a build reaches: package indexes through a caching proxy, and nothing else (ADR 20).

``policy`` is what the operator allows, ``sources`` what the host's pip, apt and npm say, ``nginx``
and ``environment``
the two ends of the way between them, ``gateway`` the one that knows the engine.
"""
