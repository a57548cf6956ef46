"""How this host reaches package indexes, so that a trusted build reaches them too.

Addresses come from the host's own settings while a build runs. They are passed as build arguments,
never written down.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.request import getproxies

CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
INDEX_OPTIONS = {"index-url": "PIP_INDEX_URL", "extra-index-url": "PIP_EXTRA_INDEX_URL"}


def ca_bundle() -> bytes:
    """Return the certificates (PEM) that this host trusts."""
    named = [os.environ[name] for name in CA_VARIABLES if os.environ.get(name)]
    default = ssl.get_default_verify_paths().cafile
    for candidate in (*named, default, *CA_FILES):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes()
    from pip._vendor import certifi

    return Path(certifi.where()).read_bytes()


def has_own_certificates() -> bool:
    """Whether this host was told of certificates beside those that programs bring along."""
    return any(os.environ.get(name) for name in CA_VARIABLES)


def build_args() -> dict[str, str]:
    """Return proxies and indexes as build arguments. Empty when the host uses the defaults."""
    args = {}
    for scheme, variable in (("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY"), ("no", "NO_PROXY")):
        value = getproxies().get(scheme)
        if value:
            args[variable] = value
    return args | _indexes()


def _indexes() -> dict[str, str]:
    """Indexes from pip's environment and configuration files; folders of this host mean nothing in
    a container.
    """
    found = {}
    for option, variable in INDEX_OPTIONS.items():
        value = os.environ.get(variable) or _pip_option(option)
        addresses = [word for word in value.split() if word.startswith(("http://", "https://"))]
        if addresses:
            found[variable] = " ".join(addresses)
    return found


def _pip_option(option: str) -> str:
    for section in ("install", "global"):
        command = [sys.executable, "-m", "pip", "config", "get", f"{section}.{option}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return ""
