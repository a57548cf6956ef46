"""The terminal: grade a folder, list, prove and make labs, look at the engine.

``python -m grader.cli``.
"""
