"""The proxy's configuration: nginx on unix sockets, one for each kind of package, GET and HEAD
alone.

Every server sends requests to the origins of the host's own configuration and nowhere else: no part
of a request chooses a host. Links to other origins in an index are written anew, so that a client
comes back to the proxy.
"""

from __future__ import annotations

from grader.engines.docker.packages.sources import Address, Sources

CONF = "/srv/packages/conf"
CACHE = "/srv/packages/cache"
SOCKETS = "/run/packages"
PORTS = {"python": 3141, "debian": 3142, "npm": 3143}
SECURE_ADDRESS = "127.0.0.4"
"""Where a build finds the hosts of the indexes themselves, for clients that follow addresses in a
lock file.
"""
INDEX_TYPES = (
    "application/json application/vnd.npm.install-v1+json "
    "application/vnd.pypi.simple.v1+json application/vnd.pypi.simple.v1+html"
)
NOT_HERE = (
    "This build reaches PyPI, Debian and npm packages as far as its operator allows, and nothing "
    "else.\\n"
)
"""What a program reads that takes the package proxy for a way to the web."""


def config(sources: Sources, cache_gib: int) -> str:
    """nginx.conf. A kind without a source has no server."""
    servers = []
    if sources.python:
        servers.append(_server("python", _python(sources)))
    if sources.debian:
        servers.append(_server("debian", _debian(sources.debian)))
    if sources.npm:
        servers.append(_server("npm", _npm(sources.npm)))
    body = "\n".join([_maps(sources), *servers])
    return f"""daemon off;
worker_processes 1;
error_log stderr warn;
pid /tmp/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;
events {{ worker_connections 512; }}
http {{
  include /tmp/resolver.conf;
  access_log off;
  server_tokens off;
  client_body_temp_path /tmp/body;
  proxy_temp_path {CACHE}/temp;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  proxy_cache_path {CACHE}/files levels=1:2 keys_zone=packages:20m max_size={cache_gib}g inactive=90d use_temp_path=off;
  client_max_body_size 1k;
  keepalive_timeout 30s;
  merge_slashes off;
  proxy_http_version 1.1;
  proxy_connect_timeout 15s;
  proxy_read_timeout 60s;
  proxy_set_header Connection "";
  proxy_set_header Accept-Encoding "";
  proxy_set_header Authorization "";
  proxy_set_header Cookie "";
  proxy_hide_header Set-Cookie;
  proxy_ssl_server_name on;
  proxy_ssl_verify on;
  proxy_ssl_verify_depth 5;
  proxy_ssl_trusted_certificate {CONF}/ca.crt;
  proxy_cache packages;
  proxy_cache_lock on;
  proxy_cache_lock_timeout 60s;
  proxy_cache_lock_age 60s;
  proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
  proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
  proxy_max_temp_file_size 4096m;
  add_header X-Seatrial-Cache $upstream_cache_status always;
{body}
}}
{_passed_through(sources.secure_hosts)}"""


def _passed_through(hosts: tuple[str, ...]) -> str:
    """TLS to hosts of the indexes goes through unread: the name in its greeting chooses, and no
    other is known.
    """
    if not hosts:
        return ""
    names = "\n".join(f'    "{host}" "{host}:443";' for host in hosts)
    return f"""stream {{
  include /tmp/resolver.conf;
  map $ssl_preread_server_name $indexes {{
    default "";
{names}
  }}
  server {{
    listen unix:{SOCKETS}/secure.sock;
    ssl_preread on;
    preread_timeout 10s;
    proxy_connect_timeout 15s;
    proxy_timeout 60s;
    proxy_pass $indexes;
  }}
}}
"""


def _maps(sources: Sources) -> str:
    """Paths are taken from the request as it came, so that nothing in them is decoded and encoded
    again.
    """
    lines = []
    for number, _ in enumerate(_python_others(sources), start=1):
        lines.append(
            f'  map $request_uri $python_{number} {{ default ""; "~^/-/{number}(?<rest>/.*)$" $rest; }}'
        )
    for name, _ in sources.debian:
        lines.append(
            f'  map $request_uri ${_variable(name)} {{ default ""; "~^/{name}(?<rest>/.*)$" $rest; }}'
        )
    return "\n".join(lines)


def _variable(name: str) -> str:
    return f"debian_{name.replace('-', '_')}"


def _server(kind: str, locations: str) -> str:
    return f"""  server {{
    listen unix:{SOCKETS}/{kind}.sock;
    server_name _;
    if ($request_method !~ ^(GET|HEAD)$) {{ return 405; }}
{locations}
  }}"""


def _python_others(sources: Sources) -> list[str]:
    """Origins beside that of the main index: each is reached under a path of its own."""
    first = sources.python[0].origin if sources.python else ""
    others = [*(address.origin for address in sources.python), *sources.files]
    return [origin for origin in dict.fromkeys(others) if origin != first]


def python_index(sources: Sources, index: Address) -> str:
    """How a client in a build names an index."""
    others = _python_others(sources)
    prefix = f"/-/{others.index(index.origin) + 1}" if index.origin in others else ""
    return f"http://127.0.0.1:{PORTS['python']}{prefix}{index.path}/"


def _python(sources: Sources) -> str:
    """The main index at the root, with its own path, so that relative links hold; others and files
    beside it.
    """
    here = f"http://127.0.0.1:{PORTS['python']}"
    others = _python_others(sources)
    links = [(origin, f"{here}/-/{number}") for number, origin in enumerate(others, start=1)]
    links.append((sources.python[0].origin, here))
    rewriting = "\n".join(f'      sub_filter "{origin}/" "{to}/";' for origin, to in links)
    index = f"""      proxy_cache_key "$uri $http_accept";
      proxy_cache_valid 200 301 10m;
      proxy_cache_valid 404 1m;
      sub_filter_types {INDEX_TYPES};
      sub_filter_once off;
{rewriting}
      proxy_redirect {sources.python[0].origin}/ /;"""
    kept = """      proxy_cache_key "$request_uri";
      proxy_cache_valid 200 90d;"""
    parts = [_location("/", sources.python[0].origin, "$request_uri", index)]
    indexes = {address.origin for address in sources.python}
    for number, origin in enumerate(others, start=1):
        rules = index if origin in indexes else kept
        parts.append(_location(f"/-/{number}/", origin, f"$python_{number}", rules))
    return "\n".join(parts)


def _debian(mirrors: tuple[tuple[str, Address], ...]) -> str:
    """A plain forward proxy for apt.

    The path chooses the mirror; the host that an image names does not matter.
    """
    parts = [f'    location / {{ default_type text/plain; return 403 "{NOT_HERE}"; }}']
    for name, mirror in mirrors:
        variable = f"${_variable(name)}"
        kept = """      proxy_cache_key "$request_uri";
      proxy_cache_valid 200 90d;"""
        lists = """      proxy_cache_key "$request_uri";
      proxy_cache_valid 200 10m;"""
        parts.append(_location(f"/{name}/pool/", mirror.origin, f"{mirror.path}{variable}", kept))
        parts.append(_location(f"/{name}/", mirror.origin, f"{mirror.path}{variable}", lists))
    return "\n".join(parts)


def _npm(registry: Address) -> str:
    here = f"http://127.0.0.1:{PORTS['npm']}"
    metadata = f"""      proxy_cache_key "$request_uri $http_accept";
      proxy_cache_valid 200 10m;
      proxy_cache_valid 404 1m;
      sub_filter_types {INDEX_TYPES};
      sub_filter_once off;
      sub_filter "{registry.origin}/" "{here}/";
      proxy_redirect {registry.origin}/ /;"""
    kept = """      proxy_cache_key "$request_uri";
      proxy_cache_valid 200 90d;"""
    return "\n".join(
        [
            _location("/", registry.origin, "$request_uri", metadata),
            _location("~ /-/.*\\.tgz$", registry.origin, "$request_uri", kept),
        ]
    )


def _location(where: str, origin: str, path: str, rules: str) -> str:
    """The origin is a constant: only the path comes from the request."""
    host = Address.of(origin)
    assert host is not None
    return f"""    location {where} {{
      set $origin "{origin}";
      proxy_pass $origin{path};
      proxy_set_header Host "{host.host}";
      proxy_ssl_name "{host.host.partition(":")[0]}";
{rules}
    }}"""
