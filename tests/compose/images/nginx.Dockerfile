# A stand-in for the image of nginx that runs without rights: the nginx of the wheel that the tests use.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY nginx /usr/local/bin/nginx
USER 101:101
