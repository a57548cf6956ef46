"""How programs in a build learn of the package proxy: by build arguments, which no image keeps in
its environment.
"""

from __future__ import annotations

import json

from grader.engines.docker.packages.nginx import PORTS, python_index
from grader.engines.docker.packages.sources import Sources

HERE = "127.0.0.1"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def variables(sources: Sources, *, own_certificates: bool = False) -> dict[str, str]:
    """Environment of every RUN, by name. ``own_certificates``: the way to the indexes has
    certificates of its own, which our stand-ins carry, and programs with a list of their own do not
    know.
    """
    found = {
        "NO_PROXY": f"{HERE},localhost",
        "no_proxy": f"{HERE},localhost",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    if sources.python:
        main, *more = [python_index(sources, index) for index in sources.python]
        found |= {
            "PIP_INDEX_URL": main,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PIP_DEFAULT_TIMEOUT": "60",
            "UV_DEFAULT_INDEX": main,
            "UV_INDEX_URL": main,
            "UV_PYTHON_DOWNLOADS": "never",
            "POETRY_PYPI_MIRROR_URL": main,
            "PDM_PYPI_URL": main,
        }
        if more:
            found |= {"PIP_EXTRA_INDEX_URL": " ".join(more), "UV_EXTRA_INDEX_URL": " ".join(more)}
    if sources.debian:
        # apt alone is meant: what else obeys this variable is told that it is no way to the web.
        found["http_proxy"] = f"http://{HERE}:{PORTS['debian']}"
    if sources.npm:
        registry = f"http://{HERE}:{PORTS['npm']}{sources.npm.path}/"
        found |= {
            "NPM_CONFIG_REGISTRY": registry,
            "NPM_CONFIG_REPLACE_REGISTRY_HOST": "always",
            "NPM_CONFIG_AUDIT": "false",
            "NPM_CONFIG_FUND": "false",
            "NPM_CONFIG_UPDATE_NOTIFIER": "false",
            "YARN_REGISTRY": registry,
            "YARN_NPM_REGISTRY_SERVER": registry,
            "YARN_UNSAFE_HTTP_WHITELIST": HERE,
        }
    if own_certificates and sources.secure_hosts:
        found |= dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), CERTIFICATES
        )
    return found


def argument_line(sources: Sources, *, own_certificates: bool = False) -> str:
    """One ARG instruction for all: a stage then costs one step more, not twenty."""
    return "ARG " + " ".join(
        f"{name}={json.dumps(value)}"
        for name, value in variables(sources, own_certificates=own_certificates).items()
    )
