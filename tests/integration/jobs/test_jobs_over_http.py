"""Background jobs over HTTP, from the upload to the results, in a whole suite of real processes."""

from __future__ import annotations

import io
import json
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.world import MODEL
from tests.integration.jobs.jobs_world import JobsWorld, gif, write_folder, write_zip
from tests.parts import wait_until

V3 = "/api/vision/v3"
OPERATOR = {"Authorization": "Bearer root's"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsWorld]:
    made = JobsWorld(tmp_path_factory.mktemp("http"), gateways=1, SERVOIR_ADMIN_TOKEN="root's")
    wait_until(lambda: get(made, "/models").status_code == 200, what="the gateway serves")
    yield made
    made.stop()


def ask(world: JobsWorld, method: str, path: str, **how: Any) -> httpx.Response:
    headers = {**OPERATOR, **how.pop("headers", {})}
    url = path if path.startswith("/api") else V3 + path
    return httpx.request(method, f"http://{world.gateways[0]}{url}", headers=headers, timeout=20, verify=False, **how)


def get(world: JobsWorld, path: str, **how: Any) -> httpx.Response:
    return ask(world, "GET", path, **how)


def submit(world: JobsWorld, **parameters: Any) -> httpx.Response:
    """Submit a batch prediction as an operator."""
    headers = parameters.pop("headers", {})
    told = {"kind": "predict", "model": MODEL, "task": "bbox", **parameters}
    return ask(world, "POST", "/jobs", json=told, headers=headers)


def done(world: JobsWorld, answer: httpx.Response, *states: str) -> dict[str, Any]:
    """Return a submitted job once it is over."""
    assert answer.status_code == 202, answer.text
    where = answer.headers["Location"]
    wanted = states or ("done",)
    wait_until(lambda: get(world, where).json()["state"] in wanted, what=f"{wanted}: {get(world, where).text}")
    told: dict[str, Any] = get(world, where).json()
    return told


def fetched(world: JobsWorld, job: dict[str, Any], name: str) -> bytes:
    return get(world, f"/jobs/{job['id']}/results/{name}").content


def names(world: JobsWorld, job: dict[str, Any]) -> list[str]:
    return [json.loads(line)["filename"] for line in fetched(world, job, "predictions.jsonl").splitlines()]


def test_a_folder_is_predicted_into_every_format(world: JobsWorld) -> None:
    folder = write_folder(world.sources / "formats", 5, {"broken.jpg": b"", "notes.md": b"#"})

    job = done(world, submit(world, source=str(folder), formats=["jsonl", "via", "csv", "files"], name="mine"))

    assert (job["kind"], job["name"], job["done"], job["total"]) == ("predict", "mine", 6, 6)
    assert job["figures"] == {"pictures": 6, "broken": 1, "regions": 0}
    files = {file["name"]: file for file in get(world, f"/jobs/{job['id']}/results").json()["files"]}
    assert set(files) == {"predictions.jsonl", "via.json", "regions.csv", "files.zip", "problems.jsonl"}
    headers = get(world, files["via.json"]["location"]).headers
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("application/json", "nosniff")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    via = json.loads(fetched(world, job, "via.json"))
    assert list(via) == ["00000.gif", "00001.gif", "00002.gif", "00003.gif", "00004.gif", "broken.jpg"]
    assert via["00000.gif"]["size"] == len(gif(0))
    [problem] = map(json.loads, fetched(world, job, "problems.jsonl").splitlines())
    assert (problem["filename"], problem["problem"]["status"]) == ("broken.jpg", 422)
    with zipfile.ZipFile(io.BytesIO(fetched(world, job, "files.zip"))) as packed:
        assert len(packed.namelist()) == 6
    assert fetched(world, job, "regions.csv").startswith(b"filename,")
    assert any(
        "5 pictures" in line or "6 pictures" in line for line in get(world, f"/jobs/{job['id']}/log").json()["lines"]
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_a_tar_a_list_and_files_are_sources_too(world: JobsWorld) -> None:
    packed = write_zip(world.sources / "a.zip", ["b.gif", "deep/a.gif", "b.gif", "../../up.gif", "readme.txt"])
    tar = world.sources / "a.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        for name in ("one.gif", "two.gif"):
            member = tarfile.TarInfo(name)
            member.size = len(gif(1))
            archive.addfile(member, io.BytesIO(gif(1)))
        link = tarfile.TarInfo("link.gif")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    folder = write_folder(world.sources / "listed", 3)
    (world.sources / "list.txt").write_text(f"listed/00002.gif\n{folder}/00000.gif\n\n")

    zipped = done(world, submit(world, source=str(packed)))
    tarred = done(world, submit(world, source=str(tar)))
    listed = done(world, submit(world, source=str(world.sources / "list.txt")))
    several = done(world, submit(world, source=[str(folder / "00001.gif"), str(tar)]))

    assert names(world, zipped) == ["b.gif", "deep/a.gif", "b.gif", "../../up.gif"]
    assert names(world, tarred) == ["one.gif", "two.gif"]
    assert names(world, listed) == ["00002.gif", "00000.gif"]
    assert names(world, several) == ["00001.gif", "one.gif", "two.gif"]


def test_an_upload_in_parts_is_a_source(world: JobsWorld) -> None:
    content = write_zip(world.folder / "sent.zip", [f"{number}.gif" for number in range(20)]).read_bytes()
    session = ask(world, "POST", "/uploads").json()
    where = f"{session['location']}/files"

    first = ask(world, "PUT", f"{where}/sent.zip", content=content[:100])
    again = ask(world, "PUT", f"{where}/sent.zip", content=content[:100])
    rest = ask(world, "PUT", f"{where}/sent.zip", params={"offset": "100"}, content=content[100:])
    single = ask(world, "PUT", f"{where}/single.gif", content=gif(99))

    assert [answer.status_code for answer in (first, again, rest, single)] == [200, 409, 200, 200]
    assert get(world, session["location"]).json()["files"] == [
        {"name": "sent.zip", "size": len(content)},
        {"name": "single.gif", "size": len(gif(99))},
    ]
    job = done(world, submit(world, source=session["source"]))
    assert names(world, job) == [f"sent.zip/{number}.gif" for number in range(20)] + ["single.gif"]
    assert ask(world, "DELETE", session["location"]).status_code == 200
    assert get(world, session["location"]).status_code == 404
    assert submit(world, source=session["source"]).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "status", "says"),
    [
        ({"model": "no-such-1"}, 404, "no such model"),
        ({"model": "nonsense"}, 400, "key"),
        ({"task": "lane"}, 400, "cannot do lane"),
        ({"source": "/etc"}, 403, "source: not below"),
        ({"source": "{sources}/../secret"}, 403, "source: not below"),
        ({"source": "{sources}/absent"}, 404, "source: there is no such"),
        ({"source": "relative"}, 400, "source: an absolute path"),
        ({"source": "upload:" + "0" * 32}, 404, "no such upload"),
        ({"source": "upload:../../etc"}, 404, "no such upload"),
        ({"source": ["{sources}", "/etc"]}, 403, "source[1]"),
        ({"formats": ["gif"]}, 400, "$.formats[0]"),
        ({"task": "lane", "formats": ["coco"]}, 400, "formats: coco"),
        ({"min_score": 2}, 400, "$.min_score"),
        ({"kind": "paint"}, 400, "$.kind"),
        ({"colour": 1}, 400, "colour"),
        ({"keep_s": 1}, 400, "$.keep_s"),
    ],
)
def test_bad_parameters_are_named(world: JobsWorld, parameters: dict[str, Any], status: int, says: str) -> None:
    def placed(value: Any) -> Any:
        return value.replace("{sources}", str(world.sources)) if isinstance(value, str) else value

    told = {
        name: [*map(placed, value)] if isinstance(value, list) else placed(value) for name, value in parameters.items()
    }

    answer = submit(world, **{"source": str(world.sources), **told})

    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_a_broken_archive_and_an_empty_source_fail_with_their_reason(world: JobsWorld) -> None:
    whole = write_zip(world.sources / "whole.zip", ["a.gif"]).read_bytes()
    (world.sources / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (world.sources / "empty").mkdir()

    broken = done(world, submit(world, source=str(world.sources / "cut.zip")), "failed")
    empty = done(world, submit(world, source=str(world.sources / "empty")), "failed")

    assert broken["problem"].startswith("cut.zip cannot be read")
    assert empty["problem"] == "the source has no picture"


def test_a_member_of_an_archive_that_is_broken_is_a_picture_with_a_problem(world: JobsWorld) -> None:
    path = write_zip(world.sources / "spoilt.zip", ["a.gif", "b.gif", "c.gif"])
    content = bytearray(path.read_bytes())
    content[content.index(b"b.gif") + len("b.gif") + 3] ^= 0xFF
    path.write_bytes(content)

    job = done(world, submit(world, source=str(path)))

    assert names(world, job) == ["a.gif", "b.gif", "c.gif"]
    assert json.loads(fetched(world, job, "problems.jsonl"))["filename"] == "b.gif"


def test_a_cancelled_job_ends_and_tried_again_goes_on_from_where_it_was(world: JobsWorld) -> None:
    folder = write_folder(world.sources / "cancelled", 800)
    answer = submit(world, source=str(folder))
    where = answer.headers["Location"]
    wait_until(lambda: get(world, where).json()["done"] > 50, what="it is at work")

    cancelled = ask(world, "DELETE", where)
    over = done(world, answer, "cancelled", "done")

    assert (cancelled.status_code, over["state"]) == (200, "cancelled")
    assert 50 < over["done"] < 800
    retried = ask(world, "POST", f"{where}/retry")
    assert retried.json()["state"] in ("queued", "running")
    assert "expires" not in retried.json()
    finished = done(world, answer)
    assert names(world, finished) == [f"{number:05d}.gif" for number in range(800)]
    assert f"{over['done']} of 800 pictures have their answer already" in get(world, f"{where}/log").text
    assert ask(world, "DELETE", where).status_code == ask(world, "POST", f"{where}/retry").status_code == 409


def test_a_job_that_waits_is_cancelled_at_once(world: JobsWorld) -> None:
    folder = write_folder(world.sources / "long", 3000)
    running, waiting = submit(world, source=str(folder)), submit(world, source=str(folder))

    cancelled = ask(world, "DELETE", waiting.headers["Location"]).json()

    assert cancelled["state"] == "cancelled"
    ask(world, "DELETE", running.headers["Location"])
    done(world, running, "cancelled")


def test_the_same_idempotency_key_is_the_same_job(world: JobsWorld) -> None:
    folder = str(write_folder(world.sources / "repeated", 2))

    answers = [submit(world, source=folder, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    other = submit(world, source=folder, min_score=0.5, headers={"Idempotency-Key": "k"})

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert other.status_code == 409
    done(world, answers[0])


def test_clients_see_their_own_jobs_and_may_not_name_folders(world: JobsWorld) -> None:
    nobody = {"Authorization": ""}
    session = ask(world, "POST", "/uploads", headers=nobody).json()
    ask(world, "PUT", f"{session['location']}/files/a.gif", content=gif(1), headers=nobody)

    named = submit(world, source=str(world.sources), headers=nobody)
    mine = submit(world, source=session["source"], headers=nobody)
    theirs = submit(world, source=str(write_folder(world.sources / "theirs", 1)))

    assert named.status_code == 403
    assert get(world, theirs.headers["Location"], headers=nobody).status_code == 404
    listed = [job["id"] for job in get(world, "/jobs", headers=nobody).json()["jobs"]]
    assert listed == [mine.json()["id"]]
    everything = [job["id"] for job in get(world, "/jobs").json()["jobs"]]
    assert everything[:2] == [theirs.json()["id"], mine.json()["id"]]
    assert get(world, "/jobs?limit=1").json()["jobs"][0]["id"] == theirs.json()["id"]
    assert get(world, "/jobs?limit=0").status_code == 400
    done(world, mine)


def test_a_page_of_another_origin_may_not_name_folders_or_read_results(world: JobsWorld) -> None:
    elsewhere = {"Origin": "http://elsewhere.example"}
    job = done(world, submit(world, source=str(write_folder(world.sources / "origin", 1))))

    named = submit(world, source=str(world.sources / "origin"), headers=elsewhere)
    read = get(world, f"/jobs/{job['id']}/results/predictions.jsonl", headers=elsewhere)

    assert named.status_code == 403
    assert "Access-Control-Allow-Origin" not in read.headers


@pytest.mark.parametrize(
    "name", ["absent", "../work/lines.jsonl", "%2e%2e/held.lock", "..%2f..%2f..%2fetc%2fpasswd", "%00", ".hidden"]
)
def test_nothing_but_results_can_be_fetched(world: JobsWorld, name: str) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / f"fetch-{time.monotonic_ns()}", 1))))

    assert get(world, f"/jobs/{job['id']}/results/{name}").status_code == 404


def test_a_part_of_a_result_can_be_fetched(world: JobsWorld) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / "range", 3))))
    whole = fetched(world, job, "predictions.jsonl")

    part = get(world, f"/jobs/{job['id']}/results/predictions.jsonl", headers={"Range": "bytes=5-9"})

    assert (part.status_code, part.content) == (206, whole[5:10])


@pytest.mark.parametrize("range", ["bytes=0-1,3-4", "bytes=x", "bytes=5-1", "pictures=0-1", "0-1"])
def test_a_range_that_is_not_understood_is_ignored(world: JobsWorld, range: str) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / f"odd-{time.monotonic_ns()}", 1))))

    got = get(world, f"/jobs/{job['id']}/results/predictions.jsonl", headers={"Range": range})

    assert (got.status_code, got.content) == (200, fetched(world, job, "predictions.jsonl"))


def test_a_result_that_is_not_as_the_request_expects_is_a_problem(world: JobsWorld) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / "expected", 1))))
    where = f"/jobs/{job['id']}/results/predictions.jsonl"
    whole = get(world, where)

    beyond = get(world, where, headers={"Range": "bytes=99999-"})
    other = get(world, where, headers={"If-Match": '"x"'})
    same = get(world, where, headers={"If-None-Match": whole.headers["ETag"]})

    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.content)}")
    assert (other.status_code, other.json()["status"]) == (412, 412)
    assert {one.headers["Content-Type"] for one in (beyond, other)} == {"application/problem+json"}
    assert (same.status_code, same.content) == (304, b"")


def test_names_that_an_upload_does_not_take(world: JobsWorld) -> None:
    where = ask(world, "POST", "/uploads").json()["location"]

    for name in (".hidden", "a%2fb.gif", "a%00.gif", "x" * 300):
        assert ask(world, "PUT", f"{where}/files/{name}", content=b"x").status_code in (400, 404), name
    assert ask(world, "PUT", f"{where}/files/a.gif", params={"offset": "7"}, content=b"x").status_code == 409
    assert ask(world, "PUT", f"{where}/files/a.gif", params={"offset": "-1"}, content=b"x").status_code == 400


def test_without_redis_jobs_are_away_and_then_back(world: JobsWorld) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / "away", 1))))
    world.parts["redis"].kill()

    away = get(world, f"/jobs/{job['id']}")
    refused = submit(world, source=str(world.sources / "away"))
    world.parts["redis"].start()

    assert (away.status_code, refused.status_code) == (503, 503)
    assert "Retry-After" in away.headers
    wait_until(lambda: get(world, f"/jobs/{job['id']}").status_code == 200, what="it is back")
    assert get(world, f"/jobs/{job['id']}").json() == job


def test_nothing_is_left_of_the_working_folder(world: JobsWorld) -> None:
    job = done(world, submit(world, source=str(write_folder(world.sources / "tidy", 1))))

    wait_until(lambda: not (Path(world.jobs_folder) / job["id"] / "work").exists(), what="it is removed")
