# The images that docker-compose.yml builds: `service` (no torch), `mlflow` (with a PostgreSQL driver)
# and `trainer` (with torch). Where versions and digests are chosen: docs/stack.md.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
ARG MLFLOW_IMAGE=ghcr.io/mlflow/mlflow:v3.17.2


FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY requirements-build.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY grokwatch grokwatch
COPY monitor monitor
COPY callbacks callbacks
COPY experiments experiments
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .


FROM ${PYTHON_IMAGE} AS service-packages
COPY requirements-service.lock ./
RUN python -m venv /opt/grokwatch \
    && /opt/grokwatch/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    -r requirements-service.lock
COPY --from=wheel /wheels /wheels
RUN /opt/grokwatch/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && /opt/grokwatch/bin/pip check


FROM ${PYTHON_IMAGE} AS trainer-packages
# Where torch comes from; empty for pip's own default, which brings CUDA along.
ARG TORCH_INDEX=
COPY requirements.lock ./
RUN python -m venv /opt/grokwatch \
    && /opt/grokwatch/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
    "$(grep '^torch==' requirements.lock)"
COPY --from=wheel /wheels /wheels
RUN /opt/grokwatch/bin/pip install --no-cache-dir -c requirements.lock "$(echo /wheels/*.whl)[train]" \
    && /opt/grokwatch/bin/pip check


FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 grokwatch \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin grokwatch
ENV PATH=/opt/grokwatch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /tmp


FROM ${MLFLOW_IMAGE} AS mlflow
USER 0:0
COPY requirements-mlflow.lock /tmp/
# The driver alone: what it needs beside itself, MLflow has.
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    -r /tmp/requirements-mlflow.lock \
    && python -c 'import psycopg' \
    && rm /tmp/requirements-mlflow.lock \
    && install -d -o 10001 -g 10001 -m 0700 /artifacts
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health', timeout=3)"]


FROM runtime AS trainer
COPY --from=trainer-packages /opt/grokwatch /opt/grokwatch
RUN install -d -o 10001 -g 10001 -m 0700 /data
USER 10001:10001
# It trains, and ends: who waits for it waits for its exit.
HEALTHCHECK NONE
ENTRYPOINT ["grokwatch"]
CMD ["demo"]


FROM runtime AS service
COPY --from=service-packages /opt/grokwatch /opt/grokwatch
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["grokwatch"]
CMD ["serve"]
