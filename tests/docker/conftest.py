"""The real engine, with our images, once for all tests of this folder."""

from __future__ import annotations

import pytest

from grader import images
from grader.sandbox.docker import DockerSandbox


@pytest.fixture(scope="session")
def sandbox() -> DockerSandbox:
    """Our sandbox on the engine that answers; images are made if they are missing."""
    found = DockerSandbox()
    found.check()
    images.ensure(found.client, lambda _line: None)
    return found
