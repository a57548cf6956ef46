"""A run's pod: what belongs into it, bringing it up, and the lines to the parties that talk."""

from grader.pods.deployment import Deployment
from grader.pods.plan import images_of

__all__ = ["Deployment", "images_of"]
