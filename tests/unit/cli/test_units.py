"""Programs as units of systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.programs import Program
from cli.units import Machine, files, unit_name

MACHINE = Machine("servoir", Path("/var/lib/servoir"), 252)
SERVER = ["/opt/venv/bin/python", "-m", "services.model_server"]


def written(*programs: Program, machine: Machine = MACHINE) -> dict[str, str]:
    return {file.path.as_posix(): file.text for file in files(programs, machine)}


@pytest.mark.parametrize(
    ("program", "unit"),
    [
        ("gateway", "servoir-gateway.service"),
        ("model-acme-coco-1-0", "servoir-model@acme-coco-1.service"),
        ("model-acme-coco-1-2", "servoir-model@acme-coco-1:2.service"),
    ],
)
def test_every_program_has_a_unit(program: str, unit: str) -> None:
    assert unit_name(program) == unit


def test_variables_stand_in_a_file_for_root_alone() -> None:
    gateway = Program("gateway", ["/bin/python"], {"SERVOIR_ADMIN_TOKEN": 'a"b\\c', "SERVOIR_EMPTY": ""})

    made = {file.path.name: file for file in files([gateway], MACHINE)}

    assert made["gateway.env"].text == 'SERVOIR_ADMIN_TOKEN="a\\"b\\\\c"\n' and made["gateway.env"].secret
    assert "EnvironmentFile=/etc/servoir/gateway.env" in made["servoir-gateway.service"].text
    assert not any("a\\" in file.text for file in made.values() if not file.secret)


def test_servers_of_models_share_a_template_and_have_caps_of_their_own() -> None:
    made = written(
        Program("model-acme-coco-1-0", SERVER, {"SERVOIR_MEMORY_CAP": "1000MB"}, stop_s=40),
        Program("model-acme-lane-1-0", SERVER, {"SERVOIR_MEMORY_CAP": ""}),
    )

    template = made["/etc/systemd/system/servoir-model@.service"]
    assert 'ExecStart="/opt/venv/bin/python" "-m" "services.model_server"' in template
    assert "EnvironmentFile=/etc/servoir/model-%i.env" in template and "TimeoutStopSec=40" in template
    cap = made["/etc/systemd/system/servoir-model@acme-coco-1.service.d/memory.conf"]
    assert "MemoryMax=1100000000" in cap and "MemorySwapMax=0" in cap
    assert not any("acme-lane-1.service.d" in path for path in made)


def test_what_systemd_would_take_for_its_own_is_escaped() -> None:
    made = written(Program("valkey", ["/bin/server", "100%", "$HOME", 'a"b', ""]))

    line = 'ExecStart="/bin/server" "100%%" "$$HOME" "a\\"b" ""'
    assert line in made["/etc/systemd/system/servoir-valkey.service"]


def test_nginx_has_a_file_for_its_log_that_its_user_opens() -> None:
    unit = written(Program("nginx", ["/bin/nginx", "-e"], ports=(8080,)))[_unit("nginx")]

    line = r'''ExecStart="/bin/sh" "-c" "exec \"$$@\" >>\"$$0\"" "/var/lib/servoir/logs/nginx.log" "/bin/nginx" "-e"'''
    assert line in unit.splitlines()


def test_pauses_grow_where_systemd_can() -> None:
    new = Machine("servoir", Path("/var/lib/servoir"), 254)

    assert "RestartMaxDelaySec=60" in written(Program("jobs", SERVER), machine=new)[_unit("jobs")]
    assert "RestartMaxDelaySec" not in written(Program("jobs", SERVER))[_unit("jobs")]


def test_only_who_listens_on_a_low_port_may() -> None:
    made = written(Program("nginx", ["/bin/nginx"], ports=(80,)), Program("jobs", SERVER, ports=(8604,)))

    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE" in made[_unit("nginx")]
    assert "CapabilityBoundingSet=\n" in made[_unit("jobs")]


def _unit(name: str) -> str:
    return f"/etc/systemd/system/servoir-{name}.service"
