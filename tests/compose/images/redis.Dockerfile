# A stand-in for the official image of Redis, for machines without a registry: Debian's redis-server, the same user.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends redis-server redis-tools >/dev/null \
 && rm -rf /var/lib/apt/lists/* && install --directory --owner 999 --group 999 /data
USER 999:999
