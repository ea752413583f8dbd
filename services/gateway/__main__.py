"""``python -m services.gateway``: the gateway under Gunicorn, in the foreground."""

from __future__ import annotations

from chassis.command_line import take_no_options
from services.gateway.arbiter import serve

take_no_options("services.gateway", "The gateway: HTTP, under Gunicorn.")
serve("services.gateway.gunicorn_conf")
