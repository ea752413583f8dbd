"""``python -m services.gateway``: the gateway under Gunicorn, in the foreground."""

from __future__ import annotations

import sys

from gunicorn.app.wsgiapp import run

from chassis.command_line import take_no_options

take_no_options("services.gateway", "The gateway: HTTP, under Gunicorn.")
sys.argv = ["servoir-gateway", "-c", "python:services.gateway.gunicorn_conf"]
sys.exit(run())
