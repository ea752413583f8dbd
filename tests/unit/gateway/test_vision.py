"""The Vision API over HTTP, with a queue and models that are fakes."""

from __future__ import annotations

import io

import pytest

from chassis.errors import TooBusy, Unavailable
from services.gateway.settings import Settings
from tests.fakes_gateway import answer, model, png, prediction, problem
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post


def test_a_picture_is_answered_with_the_objects_in_it(gateway: Gateway) -> None:
    picture = png()

    response = post(gateway.client, f"{V3}/predict/bbox", ("street.png", picture), q="acme-coco_things-1")

    assert response.status_code == 200
    assert response.json is not None
    entry = response.json["result"]["street.png"]
    assert entry["size"] == len(picture)
    assert entry["regions"][0]["region_attributes"] == {
        "label": "bicycle", "score": 0.9995, "color": [0.0, 0.4652, 1.0]
    }  # fmt: skip
    assert entry["regions"][0]["shape_attributes"]["width"] == 108
    assert response.json["model"] == {"key": "acme-coco_things-1", "version": "1", "task": "bbox"}
    assert response.json["queue"] == {"wait_s": 0.01, "batch_size": 4, "attempts": 1}


def test_the_queue_gets_the_bytes_as_they_came(gateway: Gateway) -> None:
    picture = png(9, 9)

    post(gateway.client, f"{V3}/predict", ("a.png", picture), headers={
        "X-Request-Id": "mine-1", "X-Request-Timeout-S": "5", "Idempotency-Key": "once"
    })  # fmt: skip

    call = gateway.queue.calls[0]
    assert gateway.queue.payloads == [[picture]]
    assert (call.model_key, call.task, call.request_id) == ("acme-coco_things-1", "bbox", "mine-1")
    assert call.idempotency_key == "once"
    assert 4 < call.timeout_s <= 5


@pytest.mark.parametrize(
    ("path", "key"),
    [("bbox", ""), ("bbox", "acme-coco_things"), ("lane", "acme-lanes-3"), ("polygon", "acme-shapes-1")],
)
def test_the_path_names_the_task_and_q_the_model(gateway: Gateway, path: str, key: str) -> None:
    in_form = post(gateway.client, f"{V3}/predict/{path}", q=key)
    in_query = post(gateway.client, f"{V3}/predict/{path}?q={key}")

    assert in_form.status_code == in_query.status_code == 200
    assert [call.task for call in gateway.queue.calls] == [path, path]
    assert in_form.json and in_query.json
    assert in_form.json["type"] == in_query.json["type"]


def test_a_classifier_answers_with_classes_and_an_embedding(gateway: Gateway) -> None:
    classes = [{"label": "tabby", "score": 0.8}]
    gateway.queue.answer_to = lambda _: answer(body=prediction([], classes=classes, embedding=[0.5, 1.5]))

    response = post(gateway.client, f"{V3}/predict/classify", q="acme-kinds-1")

    assert response.json is not None
    entry = response.json["result"]["street.png"]
    assert (entry["regions"], entry["classes"], entry["embedding"]) == ([], classes, [0.5, 1.5])


def test_nothing_found_is_no_regions(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda _: answer(body=prediction([]))

    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.json is not None
    assert response.json["result"]["street.png"]["regions"] == []


def test_the_timings_are_those_of_each_hop_and_add_up(gateway: Gateway) -> None:
    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.json is not None
    timings = response.json["timings"]
    assert (timings["queue_wait"], timings["service"]) == (0.01, 0.05)
    assert (timings["decode"], timings["infer"], timings["postprocess"]) == (0.004, 0.04, 0.001)
    steps = timings["image_read"] + timings["detect_with_json"] + timings["res_preparation"]
    assert timings["tt_turnaround"] == pytest.approx(steps, abs=1e-5)


def test_several_pictures_are_answered_together_and_a_bad_one_alone_is_told(gateway: Gateway) -> None:
    broken, good = png(8, 8), png(2, 2)
    undecodable = problem("Undecodable image", "the image ends early")
    gateway.queue.answer_to = lambda p: answer(422, undecodable) if p == broken else answer(body=prediction())

    response = post(
        gateway.client,
        f"{V3}/predict/bbox",
        ("a.png", good),
        ("b.png", broken),
        ("c.txt", b"no image"),
        ("d.png", good),
    )

    assert response.status_code == 200
    assert response.json is not None
    result = response.json["result"]
    assert list(result) == ["a.png", "b.png", "c.txt", "d.png"]
    assert [len(entry["regions"]) for entry in result.values()] == [1, 0, 0, 1]
    assert result["b.png"]["problem"] == {
        "status": 422, "title": "Undecodable image", "detail": "the image ends early"
    }  # fmt: skip
    assert result["c.txt"]["problem"]["status"] == 415
    assert "problem" not in result["a.png"]
    assert gateway.queue.payloads[0] == [good, broken, good]


def test_two_pictures_of_one_name_both_appear(gateway: Gateway) -> None:
    response = post(gateway.client, f"{V3}/predict/bbox", ("a.png", png(1, 1)), ("x/a.png", png(2, 2)))

    assert response.json is not None
    assert {key: entry["filename"] for key, entry in response.json["result"].items()} == {
        "a.png": "a.png", "a-2.png": "a.png"
    }  # fmt: skip


def test_where_every_picture_is_bad_the_worst_is_the_answer(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda _: answer(504, problem("Deadline exceeded", "too late"))

    response = post(gateway.client, f"{V3}/predict/bbox", ("a.png", png()), ("b.txt", b"no image"))

    assert response.status_code == 504
    assert response.json is not None
    assert {name: found["status"] for name, found in response.json["problems"].items()} == {"a.png": 504, "b.txt": 415}


def test_a_bad_picture_alone_is_the_answer_and_is_not_queued(gateway: Gateway) -> None:
    response = post(gateway.client, f"{V3}/predict/bbox", ("a.svg", b"<svg/>"))

    assert response.status_code == 415
    assert gateway.queue.calls == []


@pytest.mark.parametrize(
    ("status", "title"),
    [(422, "Undecodable image"), (500, "Model failed on this input"), (503, "Service unavailable"),
     (504, "Deadline exceeded"), (415, "Unsupported media type")],
)  # fmt: skip
def test_the_status_of_a_single_picture_is_that_of_the_answer(gateway: Gateway, status: int, title: str) -> None:
    gateway.queue.answer_to = lambda _: answer(status, problem(title, "so it is"))

    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.json is not None
    assert (response.json["title"], response.json["detail"], response.json["error"]) == (title, "so it is", "so it is")
    assert ("Retry-After" in response.headers) == (status == 503)


@pytest.mark.parametrize(
    ("key", "status", "says"),
    [
        ("acme", 400, "malformed"),
        ("a-b-c-d", 400, "malformed"),
        ("acme--1", 400, "malformed"),
        ("acme-nothing-1", 404, "no such model"),
        ("acme-lanes-3", 400, "it can do lane"),
    ],
)
def test_a_key_is_never_ignored(gateway: Gateway, key: str, status: int, says: str) -> None:
    response = post(gateway.client, f"{V3}/predict/bbox", q=key)

    assert response.status_code == status
    assert response.json is not None
    assert says in response.json["detail"]


def test_no_key_and_no_default_is_a_bad_request(gateway: Gateway) -> None:
    assert post(gateway.client, f"{V3}/predict/lane").status_code == 400


def test_a_full_queue_refuses_the_whole_request_and_says_when_to_come_back(gateway: Gateway) -> None:
    gateway.queue.refusal = TooBusy("the queue is full", retry_after_s=2.3)

    response = post(gateway.client, f"{V3}/predict/bbox", ("a.png", png()), ("b.png", png()))

    assert response.status_code == 429
    assert response.headers["Retry-After"] == "3"


def test_redis_away_is_unavailable_with_a_time_to_come_back(gateway: Gateway) -> None:
    gateway.queue.refusal = Unavailable("the queue is away")

    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1


def test_an_answer_that_is_no_prediction_is_the_models_failure(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda _: answer(body=b'{"width": NaN}')

    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.status_code == 500
    assert response.json is not None
    assert response.json["title"] == "Model failed on this input"


@pytest.mark.parametrize("asked", ["0", "-1", "nan", "inf", "1e9", "1_0", "soon", ""])
def test_a_deadline_that_makes_no_sense_is_a_bad_request(gateway: Gateway, asked: str) -> None:
    assert post(gateway.client, f"{V3}/predict/bbox", headers={"X-Request-Timeout-S": asked}).status_code == 400


def test_a_models_own_deadline_stands_where_the_request_names_none(gateway: Gateway) -> None:
    gateway.models.known = [model(deadline_s=3.0)]

    post(gateway.client, f"{V3}/predict/bbox")

    assert 2.5 < gateway.queue.calls[0].timeout_s <= 3.0


@pytest.mark.parametrize("key", ["x" * 129, "a b", "é"])
def test_a_malformed_idempotency_key_is_a_bad_request(gateway: Gateway, key: str) -> None:
    assert post(gateway.client, f"{V3}/predict/bbox", headers={"Idempotency-Key": key}).status_code == 400


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ({}, "multipart/form-data"),
        ({"q": "acme-coco_things-1"}, "multipart/form-data"),
        ({"picture": (io.BytesIO(b"x"), "a.png")}, "multipart/form-data"),
        (b"{}", "application/json"),
        (b"", None),
        (b"--x", "multipart/form-data; boundary=x"),
        ("q=acme", "application/x-www-form-urlencoded"),
    ],
)
def test_no_image_part_is_a_bad_request(gateway: Gateway, data: object, content_type: str | None) -> None:
    response = gateway.client.post(f"{V3}/predict/bbox", data=data, content_type=content_type)

    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"


def test_a_body_over_the_limit_is_too_large(gateway: Gateway) -> None:
    gateway.settings = Settings(max_upload_bytes=1000)  # type: ignore[arg-type]

    response = post(gateway.client, f"{V3}/predict/bbox", ("a.png", png() + bytes(1000)))

    assert response.status_code == 413


def test_too_many_images_or_parts_are_too_large(gateway: Gateway) -> None:
    images = [(f"{number}.png", png(1, 1)) for number in range(33)]

    assert post(gateway.client, f"{V3}/predict/bbox", *images).status_code == 413
    assert post(gateway.client, f"{V3}/predict/bbox", *(images * 3)).status_code == 413
    assert post(gateway.client, f"{V3}/predict/bbox", *images[:32]).status_code == 200


def test_a_compressed_body_is_not_unpacked(gateway: Gateway) -> None:
    assert post(gateway.client, f"{V3}/predict/bbox", headers={"Content-Encoding": "gzip"}).status_code == 415


def test_a_picture_with_too_many_pixels_is_refused_unread(gateway: Gateway) -> None:
    gateway.settings = Settings(max_pixels=100)

    response = post(gateway.client, f"{V3}/predict/bbox", ("a.png", png(11, 10)))

    assert response.status_code == 422
    assert gateway.queue.calls == []


@pytest.mark.parametrize("base", [V3, V2, f"{V3}/", f"{V2}/"])
def test_each_version_describes_itself(gateway: Gateway, base: str) -> None:
    response = gateway.client.get(base)

    assert response.status_code == 200
    assert response.json is not None
    assert response.json["openapi"] == "/openapi.json"
