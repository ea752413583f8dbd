"""Whatever bytes come in, the process lives and answers the next batch."""

from __future__ import annotations

import random
from collections.abc import Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.rpc import model_server_pb2 as pb
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder

KEY = "acme-echo-1"
METHODS = ("servoir.v1.ModelServer/Predict", "servoir.v1.ModelServer/Describe", "grpc.health.v1.Health/Check")
OUR_FAULTS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)

spots = st.builds(
    pb.Spot,
    region=st.just(f"region-{0:032}") | st.text(max_size=40),
    offset=st.integers(0, 2**64 - 1),
    size=st.integers(0, 2**64 - 1),
    number=st.integers(0, 2**64 - 1),
)
items = st.builds(
    pb.Item,
    id=st.text(max_size=8),
    task=st.sampled_from(["bbox", "tensor", "", "\x00"]) | st.text(max_size=8),
    payload=st.binary(max_size=64),
    spot=st.none() | spots,
    time_left_s=st.floats(),
    by_s=st.floats(),
)
requests = st.builds(
    pb.PredictRequest, model_key=st.just(KEY) | st.text(max_size=20), items=st.lists(items, max_size=10)
)
messages = st.binary(max_size=200) | requests.map(lambda request: request.SerializeToString())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good request with a byte changed, or cut off somewhere."""
    good = bytearray(draw(requests).SerializeToString() or b"\x00")
    at = draw(st.integers(0, len(good) - 1))
    good[at] = draw(st.integers(0, 255))
    return bytes(good[:at] if draw(st.booleans()) else good)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = echo_folder(tmp_path_factory.mktemp("echo"), max_batch_size=4)
    serving = Serving(folder, "--tune", "off", "--concurrency", "2")
    yield serving
    serving.stop()


def send(serving: Serving, method: str, message: bytes) -> None:
    """Send *message*, which is answered, or refused as what it is."""
    try:
        serving.channel.unary_unary(f"/{method}")(message, timeout=20)
    except grpc.RpcError as refused:
        assert refused.code() not in OUR_FAULTS


def mangled(good: bytes, chance: random.Random) -> bytes:
    """Return *good* with a few bytes changed, inserted or lost, or noise altogether."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(300))
    message = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(message) + 1)
        message[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(message[: chance.randrange(len(message) + 1)] if chance.random() < 0.2 else message)


def assert_alive(serving: Serving) -> None:
    assert serving.server.process.poll() is None
    assert serving.predict(KEY, [b"x"]).outcomes[0].prediction


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(METHODS), messages | damaged())
def test_no_message_ends_the_process(echo: Serving, method: str, message: bytes) -> None:
    send(echo, method, message)

    assert echo.server.process.poll() is None


@pytest.mark.slow
def test_ten_thousand_messages_do_not_end_the_process_nor_make_it_grow(echo: Serving) -> None:
    chance = random.Random(20)
    items = [pb.Item(id=str(at), task="bbox", payload=chance.randbytes(30), time_left_s=9.0) for at in range(4)]
    good = pb.PredictRequest(model_key=KEY, items=items).SerializeToString()
    there = pb.Item(spot=pb.Spot(region=f"region-{0:032}", offset=0, size=50_000, number=1))
    elsewhere = pb.PredictRequest(model_key=KEY, items=[*items[:2], there]).SerializeToString()
    before = echo.stub.Describe(pb.DescribeRequest()).resident_bytes

    for _ in range(10_000):
        send(echo, chance.choice(METHODS), mangled(chance.choice([good, good, elsewhere]), chance))

    assert_alive(echo)
    assert echo.stub.Describe(pb.DescribeRequest()).resident_bytes < before + 50 * 2**20


def test_a_payload_of_many_megabytes_is_an_item_like_any_other(echo: Serving) -> None:
    response = echo.predict(KEY, [bytes(50 * 2**20), b"small"])

    assert [outcome.WhichOneof("result") for outcome in response.outcomes] == ["prediction", "prediction"]
