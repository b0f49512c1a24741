# The service listens to every interface of its container, so it starts only with a key
# (-e RELU_LANDSCAPE_API_KEY=...) or with the consent to have none (-e RELU_LANDSCAPE_INSECURE=true).
#
# One image for every service of docker-compose.yml: the API, Dask's scheduler and its workers must
# have the same packages. For workers with a GPU: docker build --build-arg LOCK=gpu.

# A tag moves with what is mended in it. For the very image that you have looked at, give its digest:
#   docker buildx imagetools inspect python:3.13-slim-bookworm
#   docker build --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# serve, or gpu: which of requirements/*.lock goes in. gpu brings CUDA's libraries along, so that
# the host needs nothing but the driver and the NVIDIA container toolkit.
ARG LOCK=serve
# What compiles the native kernel stays behind in this stage; an image without it is not built.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV RELU_LANDSCAPE_REQUIRE_NATIVE=1
WORKDIR /build
COPY requirements/ requirements/
RUN python -m venv /opt/relu-landscape \
    && python -m pip install --no-cache-dir --require-hashes -r requirements/installer.lock \
    && uv pip install --no-cache --compile-bytecode --python /opt/relu-landscape/bin/python \
        --require-hashes -r requirements/${LOCK}.lock
# Our own code comes last: a change to it leaves the layer above in the cache.
COPY . .
RUN for project in . clients/python; do \
        if [ -e "$project/pyproject.toml" ]; then \
            uv pip install --no-cache --compile-bytecode --no-deps --no-build-isolation \
                --python /opt/relu-landscape/bin/python "$project" || exit 1; \
        fi; \
    done

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --create-home --home-dir /home/landscape landscape \
    && install --directory --owner=landscape /data
COPY --from=build /opt/relu-landscape /opt/relu-landscape
# One thread per process: the workers are the parallelism, and the order of a multithreaded sum
# would decide digits of a result.
ENV PATH=/opt/relu-landscape/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MKL_NUM_THREADS=1 \
    RELU_LANDSCAPE_HOST=0.0.0.0 \
    RELU_LANDSCAPE_PORT=8000 \
    RELU_LANDSCAPE_DATA_DIR=/data
USER landscape
WORKDIR /home/landscape
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['RELU_LANDSCAPE_PORT'] + '/livez', timeout=2)"]
CMD ["relu-landscape", "serve"]
