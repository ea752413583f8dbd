"""What the containers may do, and what they give away: as little as there is."""

from __future__ import annotations

import json

from tests.compose.deployment import Deployment

SECRETS = ("admin_token", "redis_password", "mongo_admin_password", "mongo_password", "mongo_keyfile")
TOOLS = ("pip", "pip3", "gcc", "cc", "g++", "make", "git", "curl", "wget")
LARGEST_BYTES = {"servoir-gateway": 300e6, "servoir-queue": 300e6, "servoir-registry": 300e6}


def _name(container: dict[str, object]) -> str:
    return str(container["Name"])


def test_nothing_runs_as_root(deployment: Deployment) -> None:
    running = [it for it in deployment.containers() if it["State"]["Running"]]

    users = {_name(it): set(deployment.docker("top", it["Id"], "-eo", "pid,uid").split()[3::2]) for it in running}

    assert len(running) >= 9
    assert all(uids and "0" not in uids for uids in users.values()), users


def test_no_container_can_be_written_to_or_gain_rights(deployment: Deployment) -> None:
    hosts = {_name(it): it["HostConfig"] for it in deployment.containers()}

    assert all(host["ReadonlyRootfs"] for host in hosts.values())
    assert all(host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"] for host in hosts.values())
    assert all("no-new-privileges:true" in host["SecurityOpt"] for host in hosts.values())
    assert all(host["Memory"] and host["PidsLimit"] for host in hosts.values())


def test_no_port_but_that_of_nginx_is_published(deployment: Deployment) -> None:
    published = {
        it["Config"]["Labels"]["com.docker.compose.service"]: [
            binding for bindings in it["NetworkSettings"]["Ports"].values() for binding in bindings or []
        ]
        for it in deployment.containers()
    }

    assert published.pop("nginx") == [{"HostIp": "127.0.0.1", "HostPort": deployment.url.rpartition(":")[2]}]
    assert not any(published.values()), published


def test_only_nginx_and_the_gateways_are_in_a_network_with_a_way_out(deployment: Deployment) -> None:
    networks = json.loads(deployment.docker("network", "inspect", f"{deployment.project}_front"))

    services = {
        it["Name"].removeprefix(f"{deployment.project}-").rsplit("-", 1)[0] for it in networks[0]["Containers"].values()
    }
    assert services == {"nginx", "gateway"}
    for name in ("inside", "store"):
        (network,) = json.loads(deployment.docker("network", "inspect", f"{deployment.project}_{name}"))
        assert network["Internal"]


def test_no_secret_is_in_an_image_or_in_the_compose_file_or_in_what_the_engine_tells(deployment: Deployment) -> None:
    containers = deployment.containers()
    images = {it["Image"] for it in containers}

    told = deployment.compose("config") + json.dumps(containers)
    told += "".join(deployment.docker("history", "--no-trunc", image) for image in images)
    told += deployment.docker("inspect", *images)
    told += "".join(
        deployment.docker("top", it["Id"], "-eo", "pid,args") for it in containers if it["State"]["Running"]
    )

    assert [name for name in SECRETS if deployment.secret(name) in told] == []


def test_no_secret_is_in_a_log(deployment: Deployment) -> None:
    logs = deployment.compose("logs", "--no-color")

    assert [name for name in SECRETS if deployment.secret(name) in logs] == []


def test_the_images_of_services_hold_nothing_to_build_or_fetch_with(deployment: Deployment) -> None:
    for service in ("gateway", "dispatcher", "registry", "jobs", "model-echo"):
        looked_for = " ".join(TOOLS)
        found = deployment.compose("exec", "-T", service, "sh", "-c", f"command -v {looked_for} || true")
        assert found.split() == [], service
        assert deployment.compose("exec", "-T", service, "sh", "-c", "python3 -m pip 2>&1 || true").endswith("pip\n")


def test_the_images_are_small(deployment: Deployment) -> None:
    for name, most in LARGEST_BYTES.items():
        (image,) = json.loads(deployment.docker("image", "inspect", name))
        assert image["Size"] < most


def test_the_registry_may_touch_its_own_database_only(deployment: Deployment) -> None:
    script = (
        "import pymongo, pathlib; c = pymongo.MongoClient(pathlib.Path('/run/secrets/mongo_url').read_text())\n"
        "c.servoir.tried.insert_one({'a': 1}); c.servoir.tried.drop(); print('own')\n"
        "for name in ('other', 'admin', 'local'):\n"
        "    for call in (lambda: c[name].tried.insert_one({'a': 1}), lambda: c[name].tried.find_one()):\n"
        "        try: call(); print(name)\n"
        "        except pymongo.errors.OperationFailure as e: print(e.code)\n"
    )

    said = deployment.compose("exec", "-T", "registry", "python3", "-c", script).split()

    assert said == ["own", *["13"] * 6]


def test_nobody_reaches_redis_or_mongodb_without_a_password(deployment: Deployment) -> None:
    redis = deployment.compose("exec", "-T", "redis", "redis-cli", "set", "a", "b")
    ask = "MongoClient('mongo', 27017, directConnection=True).admin.command('listDatabases')"
    script = f"from pymongo import MongoClient; print({ask})"
    mongo = deployment.compose("exec", "-T", "registry", "sh", "-c", f'python3 -c "{script}" 2>&1 || true')

    assert redis.startswith("NOAUTH")
    assert "requires authentication" in mongo
