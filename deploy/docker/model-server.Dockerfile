# The image of a model server. VARIANT says where models run, ENGINES which frameworks are inside:
#
#   docker build -f deploy/docker/model-server.Dockerfile -t servoir-model-server .
#   docker build -f deploy/docker/model-server.Dockerfile -t servoir-model-server:litert --build-arg ENGINES=litert .
#   docker build -f deploy/docker/model-server.Dockerfile -t servoir-model-server:cuda --build-arg VARIANT=cuda .
#
#   VARIANT   ENGINES: by itself, or some of            from
#   cpu       tensorflow onnx litert                    requirements.lock
#   cuda      tensorflow-cuda onnx-cuda tensorrt        deploy/docker/cuda.lock; litert may be added
#
# The cuda variant brings CUDA, cuDNN and TensorRT as Python packages; the host needs NVIDIA's driver and its container
# toolkit, nothing else. A model's files are not in the image: a deployment mounts them at /models.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG VARIANT=cpu
ARG ENGINES=
WORKDIR /build
COPY deploy/docker/locked.py deploy/docker/cuda.lock pyproject.toml requirements.lock ./
RUN case "${VARIANT}" in \
      cpu) lock=requirements.lock; engines="${ENGINES:-tensorflow onnx litert}" ;; \
      cuda) lock=cuda.lock; engines="${ENGINES:-tensorflow-cuda onnx-cuda tensorrt}" ;; \
      *) echo "VARIANT is cpu or cuda, not ${VARIANT}" >&2; exit 2 ;; \
    esac \
 && python3 locked.py "$lock" pyproject.toml model-server $engines > chosen.txt \
 && python3 -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r chosen.txt \
 && /venv/bin/pip check \
 && { grep -q '^setuptools==' chosen.txt || /venv/bin/pip uninstall --yes setuptools; } \
 && /venv/bin/pip uninstall --yes pip \
 && rm -rf /venv/lib/python3*/site-packages/tensorflow/include /venv/lib/python3*/site-packages/clang
COPY chassis /app/chassis
COPY services /app/services
COPY deploy/docker/healthcheck.py deploy/docker/turn.py /app/
RUN printf '#!/bin/sh\nexec python3 -m services.model_server "$@"\n' > /venv/bin/serve \
 && chmod 755 /venv/bin/serve \
 && python3 -m compileall -q /app \
 && install --directory --owner 10001 --group 10001 /var/lib/servoir /var/lib/servoir/cache /var/lib/servoir/turns

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 servoir \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/servoir --no-create-home --shell /usr/sbin/nologin servoir \
 && rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/* /usr/share/python-wheels
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY --from=build /var/lib/servoir /var/lib/servoir
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SERVOIR_HOME=/var/lib/servoir NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["serve"]
