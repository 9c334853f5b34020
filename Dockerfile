ARG PYTHON_IMAGE=python:3.13-slim-bookworm

# --- builder: the wheel, and a virtual environment without pip -----------------------------------------------
FROM ${PYTHON_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY broker ./broker

# Dependencies come as wheels only: there is no compiler here, and nothing of theirs runs while they are installed.
RUN pip wheel --no-deps --wheel-dir /dist . \
    && python -m venv --without-pip /opt/broker \
    && pip --python /opt/broker/bin/python install --only-binary :all: --constraint constraints.txt \
        "$(echo /dist/*.whl)[azure,vault]" \
    && /opt/broker/bin/broker --help > /dev/null

# --- the private OpenSSL for `tls.profile: obsolete`, from Debian's own source package -------------------------
FROM ${PYTHON_IMAGE} AS obsolete-tls

RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends gcc libc6-dev make patch perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY broker/tls/private ./
RUN sh build.sh /tmp/work /obsolete_tls.so && rm -rf /tmp/work

# --- runtime --------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tls-broker" \
      org.opencontainers.image.description="A two-hop TLS broker: TLS 1.2+ callers reach legacy services" \
      org.opencontainers.image.source="https://github.com/tls-broker/tls-broker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV PATH=/opt/broker/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1

# The directories exist so that they can be mounted over when the root file system is read-only.
RUN groupadd --gid 10001 broker \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin broker \
    && mkdir -p /etc/broker/certs /run/secrets

COPY --from=builder /opt/broker /opt/broker
COPY --from=obsolete-tls /obsolete_tls.so /opt/broker/lib/broker/obsolete_tls.so

WORKDIR /etc/broker
USER 10001:10001
EXPOSE 8443 9090
STOPSIGNAL SIGTERM

# http.client and not urllib: a proxy variable must not send this anywhere else.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 9090, timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["broker"]
CMD ["run", "-c", "/etc/broker/routes.yaml"]
