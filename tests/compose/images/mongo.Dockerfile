# A stand-in for the official image of MongoDB: the mongod of the wheel that the tests use, the same user and folder.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends libcurl4 >/dev/null \
 && rm -rf /var/lib/apt/lists/* && install --directory --owner 999 --group 999 /data/db
COPY mongod /usr/local/bin/mongod
USER 999:999
