# The site's image for compose.yaml: web, worker and beat run from it.
ARG BASE=python:3.13-slim
FROM ${BASE}
WORKDIR /srv/seatrial
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 SEATRIAL_HOME=/var/lib/seatrial
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && useradd --uid 10002 --home-dir /var/lib/seatrial seatrial \
    && mkdir -p /var/lib/seatrial && chown seatrial /var/lib/seatrial
USER seatrial
VOLUME /var/lib/seatrial
EXPOSE 8000
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
