# syntax=docker/dockerfile:1
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/streamrnn
WORKDIR /src
# the dependencies first: they change less often than the code
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY streamrnn ./streamrnn
RUN /opt/streamrnn/bin/pip install -c constraints.txt .

FROM ${BASE}
LABEL org.opencontainers.image.title="streamrnn" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/streamrnn /opt/streamrnn
# kernels are compiled for the CPU they run on, at the first start; a volume here makes the next one quick
RUN mkdir -p /var/cache/streamrnn /var/lib/streamrnn && chown -R 10001:10001 /var/cache/streamrnn /var/lib/streamrnn
ENV PATH=/opt/streamrnn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STREAMRNN_CACHE_DIR=/var/cache/streamrnn \
    NUMBA_CACHE_DIR=/var/cache/streamrnn/numba \
    STREAMRNN_HTTP__HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/streamrnn
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["streamrnn"]
CMD ["--help"]
