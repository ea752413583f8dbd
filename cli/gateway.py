"""The suite over HTTP, as its clients see it; every failure becomes a Stop that says what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from cli.errors import Exit, Stop

V3 = "/api/vision/v3"
_ADVICE = {
    401: "Set SERVOIR_API_KEY to a key, or SERVOIR_ADMIN_TOKEN; or call the command as the user who runs the suite.",
    403: "Another key may be allowed to: `servoir keys list` shows what each may do.",
    404: "`servoir models` lists what there is.",
    409: "A published model does not change: give what is new another release (the last part of its key).",
    413: "Send fewer or smaller pictures, or raise SERVOIR_MAX_UPLOAD_BYTES.",
    415: "Name pictures, not other files.",
    422: "Try whether another program can open the picture.",
    429: "The suite is busy: try again in a moment.",
    503: "`servoir status` shows what is missing.",
    504: "`servoir status` shows how long the queues are; --timeout allows more time.",
}


class Gateway:
    """A suite at *url*; *admin_token* goes with what operators ask and change, *api_key* with the rest."""

    def __init__(self, url: str, *, admin_token: str = "", api_key: str = "", timeout_s: float = 60.0) -> None:
        self.url = url
        self._changes = _authorization(admin_token or api_key)
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=_authorization(api_key or admin_token))

    def readiness(self) -> dict[str, Any]:
        """Return what the gateway says of itself, with ``status`` ok, degraded or down; Stop where none answers."""
        return cast(dict[str, Any], self._send("GET", "/health/ready", allowed=(503,)).json())

    def models(self) -> dict[str, Any]:
        """Return ``models``, a list of modelinfo, and ``defaults``, a key for each task that has one."""
        return {"defaults": {}, **cast(dict[str, Any], self._send("GET", f"{V3}/models").json())}

    def publish(self, modelinfo: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a model; the same document again is a no-op. Return it as the registry keeps it."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/models", dict(modelinfo)).json())

    def release(self, key: str, demands: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Release the model, so that its problem's short key finds it; *demands* on its report go with it."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/models/{key}/release", dict(demands or {})).json())

    def retire(self, key: str) -> dict[str, Any]:
        """Retire the model, so that nothing finds it."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/models/{key}/retire", {}).json())

    def set_default(self, task: str, key: str) -> None:
        """Have the model answer *task* where a request names none."""
        self._change("PUT", f"{V3}/defaults/{task}", {"key": key})

    def predict(self, pictures: Sequence[Path], *, task: str, key: str = "", timeout_s: float = 0.0) -> dict[str, Any]:
        """Return the envelope of the answer for *pictures*."""
        files = [("image", (picture.name, _read(picture))) for picture in pictures]
        answer = self._send(
            "POST",
            f"{V3}/predict/{task}",
            files=files,
            data={"q": key} if key else {},
            headers={"X-Request-Timeout-S": f"{timeout_s:g}"} if timeout_s else {},
        )
        return cast(dict[str, Any], answer.json())

    def submit(self, pictures: Sequence[Path], *, task: str, key: str = "", timeout_s: float = 0.0) -> str:
        """Submit *pictures* as an asynchronous prediction; return the job's id."""
        answer = self._send(
            "POST",
            f"{V3}/jobs",
            files=[("image", (picture.name, _read(picture))) for picture in pictures],
            data={"task": task} | ({"q": key} if key else {}),
            headers={"X-Request-Timeout-S": f"{timeout_s:g}"} if timeout_s else {},
        )
        return str(answer.json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        """Return how an asynchronous prediction is doing, at its end with ``answer`` or ``problem``."""
        return cast(dict[str, Any], self._send("GET", f"{V3}/jobs/{job}").json())

    def cancel(self, job: str) -> dict[str, Any]:
        """Cancel what waits of an asynchronous prediction; return how it is doing."""
        answer = self._send("DELETE", f"{V3}/jobs/{job}", allowed=(409,))
        if answer.is_error:
            raise Stop(_detail(answer), f"`servoir jobs show {job}` shows it.", code=Exit.REFUSED)
        return cast(dict[str, Any], answer.json())

    def usage(self, **query: str) -> dict[str, Any]:
        """Return ``rows`` of usage, for the ``by``, ``from`` and ``to`` of *query*."""
        return cast(dict[str, Any], self._ask(f"{V3}/usage", query).json())

    def create_key(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        """Make an API key; return ``key`` and its ``token``, which cannot be had again."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/keys", dict(terms)).json())

    def keys(self, client: str = "") -> list[dict[str, Any]]:
        """Return the API keys of a client, or all, oldest first."""
        return cast(list[dict[str, Any]], self._ask(f"{V3}/keys", {"client": client}).json()["keys"])

    def revoke_key(self, key: str) -> dict[str, Any]:
        """End an API key for good and return it."""
        return cast(dict[str, Any], self._change("DELETE", f"{V3}/keys/{key}", {}).json())

    def rotate_key(self, key: str, grace_s: float) -> dict[str, Any]:
        """Give an API key a new token; return ``key`` and ``token``. The old one is taken for *grace_s* yet."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/keys/{key}/rotate", {"grace_s": grace_s}).json())

    def queues(self) -> list[dict[str, Any]]:
        """Return the state of every model's queue."""
        return cast(list[dict[str, Any]], self._ask(f"{V3}/queue").json()["queues"])

    def quarantine(self, key: str) -> list[dict[str, Any]]:
        """Return the items that the model *key* was given up on, newest first."""
        return cast(list[dict[str, Any]], self._ask(f"{V3}/queue/{key}/quarantine").json()["items"])

    def quarantined_payload(self, key: str, item: str) -> bytes:
        """Return the bytes of a quarantined item, as they were sent."""
        return self._ask(f"{V3}/queue/{key}/quarantine/{item}/payload").content

    def replay(self, key: str, item: str) -> dict[str, Any]:
        """Run a quarantined item once more; return ``answered``, and ``problem`` where it failed again."""
        return cast(dict[str, Any], self._change("POST", f"{V3}/queue/{key}/quarantine/{item}/replay", {}).json())

    def drop(self, key: str, item: str = "") -> int:
        """Remove one quarantined item, or all of the model's; return how many there were."""
        path = f"{V3}/queue/{key}/quarantine/{item}".rstrip("/")
        return int(self._change("DELETE", path, {}).json()["dropped"])

    def call(self, method: str, path: str, *, allowed: Sequence[int] = (), **request: Any) -> httpx.Response:
        """Return the answer to a request sent with an operator's token; Stop for an error that is not *allowed*."""
        return self._send(method, path, allowed=allowed, headers=self._changes, **request)

    def stream(self, path: str) -> Iterator[bytes]:
        """Yield a file bit by bit."""
        with _told(self.url), self._http.stream("GET", path, headers=self._changes) as answer:
            if answer.is_error:
                answer.read()
                raise Stop(_detail(answer), _ADVICE.get(answer.status_code, ""), code=Exit.REFUSED)
            yield from answer.iter_bytes()

    def _ask(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        return self._send("GET", path, params=query or {}, headers=self._changes)

    def _change(self, method: str, path: str, document: dict[str, Any]) -> httpx.Response:
        return self._send(method, path, json=document, headers=self._changes)

    def _send(self, method: str, path: str, *, allowed: Sequence[int] = (), **request: Any) -> httpx.Response:
        with _told(self.url):
            answer = self._http.request(method, path, **request)
        if answer.is_error and answer.status_code not in allowed:
            code = Exit.AWAY if answer.status_code >= 500 else Exit.REFUSED
            raise Stop(_detail(answer), _ADVICE.get(answer.status_code, ""), code=code)
        return answer


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Raise Stop where the suite at *url* is away."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise Stop(f"{url} did not answer in time", "`servoir status` shows why.", code=Exit.AWAY) from error
    except httpx.HTTPError as error:
        advice = "Start it with `servoir up`, or name another with SERVOIR_URL."
        raise Stop(f"no suite answers at {url} ({error})", advice, code=Exit.AWAY) from error


def _authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _read(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise Stop(f"cannot read {picture}: {error.strerror}", "Name an image file.") from error


def _detail(answer: httpx.Response) -> str:
    """Return what a problem+json answer says, with its status and the request's id to look for in the logs."""
    try:
        problem = answer.json()
        detail, request_id = str(problem["detail"]), str(problem.get("request_id", ""))
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.url.path} answered {answer.status_code}"
    return f"{answer.status_code}: {detail}" + (f" (request {request_id})" if request_id else "")
