# The site's image for compose.yaml: migrate, web, worker and beat run from it. BASE is any image with Python 3.11 or
# newer, venv and useradd.
ARG BASE=python:3.13-slim
FROM ${BASE}
USER root
WORKDIR /srv/seatrial
# How this host reaches its package index. Empty where the defaults do; nothing of it stays in the image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DJANGO_SETTINGS_MODULE=config.settings SEATRIAL_HOME=/var/lib/seatrial HOME=/tmp
COPY requirements.lock ./
# The secret holds the certificates that this host trusts, for an index with a certificate of one's own.
RUN --mount=type=secret,id=ca,target=/run/ca.crt \
    if [ -s /run/ca.crt ]; then export PIP_CERT=/run/ca.crt; fi \
    && python3 -m venv /opt/venv \
    && pip install --quiet --require-hashes -r requirements.lock
COPY . .
# Written files: only the home, which is a volume, and /tmp. The code belongs to root.
RUN pip install --quiet --no-deps --no-build-isolation -e . \
    && python -m compileall -q -j 0 grader labs platform \
    && useradd --uid 10002 --user-group --home-dir /var/lib/seatrial --no-create-home --shell /usr/sbin/nologin seatrial \
    && install -d -o seatrial -g seatrial -m 0750 /var/lib/seatrial
USER 10002:10002
VOLUME /var/lib/seatrial
EXPOSE 8000
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
