"""A gateway over fakes, run as the real one is: ``python -m tests.integration.gateway.fake_gateway``."""

from __future__ import annotations

from services.gateway.arbiter import serve

serve("tests.integration.gateway.fake_gunicorn_conf")
