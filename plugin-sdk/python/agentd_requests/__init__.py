"""HTTP in the manner of Requests, over `agentd:host/http`: import it in plugins whose world has that interface.

    import agentd_requests as requests

    response = requests.get("https://api.example.org/issues", params={"state": "open"}, credential="tracker")
    response.raise_for_status()
    for issue in response.json(): ...

The host adds the credential, which is only named here, and refuses what is not granted. An error that nobody catches
leaves the plugin as what it is: `raise_for_status` says by its case whether trying again makes sense.

No redirects (you get the 3xx), cookies, streams, files, or `auth`: a plugin holds no secrets.
"""

import json as _json
import time
import typing
from urllib.parse import urlencode, urlsplit

from componentize_py_types import Err
from wit_world.imports import common
from wit_world.imports import http as _http

try:
    from wit_world.imports import clock as _clock
except ImportError:  # a world without it: the clock of WASI does as well
    _clock = None

__all__ = [
    "HTTPError", "RequestException", "Response", "Session",
    "delete", "get", "head", "options", "patch", "post", "put", "request",
]


class RequestException(Err):
    """A request that did not work. `value` is the error as the contract has it."""

    def __str__(self) -> str:
        inner = self.value.value
        return inner if isinstance(inner, str) else inner.message


class HTTPError(RequestException):
    """An answer from 400 on; `response` is that answer."""

    response: "Response"

    def __init__(self, value: common.Error, response: "Response") -> None:
        super().__init__(value)
        object.__setattr__(self, "response", response)


class Headers(dict[str, str]):
    """Headers by name in any case; several values of one name are joined by commas."""

    def __init__(self, pairs: typing.Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        for name, value in pairs:
            self[name] = f"{self[name]}, {value}" if name in self else value

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: typing.Any = None) -> typing.Any:
        return super().get(name.lower(), default)


class Response:
    """What came back. Every status is an answer: look at `ok`, or call `raise_for_status`."""

    def __init__(self, url: str, answer: _http.Response) -> None:
        self.url = url
        self.status_code = answer.status
        self.headers = Headers(answer.headers)
        self._body = answer.body

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        body = self._body
        return bytes(body.value) if isinstance(body, common.Content_Bytes) else body.value.encode()

    @property
    def text(self) -> str:
        body = self._body
        return bytes(body.value).decode("utf-8", "replace") if isinstance(body, common.Content_Bytes) else body.value

    def json(self, **options: typing.Any) -> typing.Any:
        try:
            return _json.loads(self.text, **options)
        except ValueError as error:
            raise RequestException(common.Error_Invalid(f"{self._origin()} answered with what is no JSON: {error}")) from error

    def raise_for_status(self) -> None:
        """Raises HTTPError from 400 on. Its text shows the beginning of the body, and of the address where it goes."""
        if self.ok:
            return
        shown = " ".join(self.text.split())
        excerpt = f" ({shown[:160]}{'…' if len(shown) > 160 else ''})" if shown else ""
        raise HTTPError(self._error(f"{self._origin()} answered {self.status_code}{excerpt}"), self)

    def _error(self, text: str) -> common.Error:
        status = self.status_code
        if status == 429:
            return common.Error_RateLimited(common.RateLimit(self._retry_at(), text, []))
        if status in (401, 403):
            return common.Error_Denied(text)
        if status in (404, 410):
            return common.Error_NotFound(text)
        if status == 409:
            return common.Error_Conflict(text)
        if status in (408, 425) or status >= 500:
            return common.Error_Unavailable(text)
        return common.Error_Invalid(text)

    def _retry_at(self) -> int | None:
        seconds = self.headers.get("retry-after", "")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 9):
            return None
        now = _clock.now() if _clock else int(time.time() * 1_000)
        return now + int(seconds) * 1_000

    def _origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "the other end"

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


def request(
    method: str,
    url: str,
    *,
    params: typing.Any = None,
    data: typing.Any = None,
    json: typing.Any = None,
    headers: typing.Mapping[str, str] | None = None,
    timeout: float | None = None,
    credential: str | None = None,
    idempotency_key: str | None = None,
) -> Response:
    """Sends a request and waits for the whole answer; `timeout` is in seconds.

    `data` is text, bytes, or a mapping for a form; `json` anything that JSON knows. A value None in `params` is left
    out. Where the credential is the whole address, `url` is empty.
    """
    given = Headers((headers or {}).items())
    content: common.Content = common.Content_Text("")
    if json is not None:
        content = common.Content_Text(_json.dumps(json, ensure_ascii=False, separators=(",", ":")))
        given.setdefault("content-type", "application/json")
    elif isinstance(data, (bytes, bytearray)):
        content = common.Content_Bytes(bytes(data))
    elif isinstance(data, str):
        content = common.Content_Text(data)
    elif data is not None:
        content = common.Content_Text(urlencode(data, doseq=True))
        given.setdefault("content-type", "application/x-www-form-urlencoded")

    address = _with_params(url, params)
    extra = [("idempotency-key", idempotency_key)] if idempotency_key is not None else []
    milliseconds = None if timeout is None else max(1, int(timeout * 1_000))
    sent = _http.Request(method.upper(), address, list(given.items()), content, credential, milliseconds, extra)
    return Response(address, _http.send(sent))


def _with_params(url: str, params: typing.Any) -> str:
    if not params:
        return url
    pairs = params.items() if hasattr(params, "items") else params
    query = urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)
    address, mark, fragment = url.partition("#")
    joint = "&" if "?" in address else "?"
    return address + (joint + query if query else "") + mark + fragment


def get(url: str, **options: typing.Any) -> Response:
    return request("GET", url, **options)


def head(url: str, **options: typing.Any) -> Response:
    return request("HEAD", url, **options)


def options(url: str, **options: typing.Any) -> Response:
    return request("OPTIONS", url, **options)


def post(url: str, data: typing.Any = None, json: typing.Any = None, **options: typing.Any) -> Response:
    return request("POST", url, data=data, json=json, **options)


def put(url: str, data: typing.Any = None, **options: typing.Any) -> Response:
    return request("PUT", url, data=data, **options)


def patch(url: str, data: typing.Any = None, **options: typing.Any) -> Response:
    return request("PATCH", url, data=data, **options)


def delete(url: str, **options: typing.Any) -> Response:
    return request("DELETE", url, **options)


class Session:
    """Requests that share headers, parameters and a credential."""

    def __init__(self, credential: str | None = None) -> None:
        self.headers = Headers()
        self.params: dict[str, typing.Any] = {}
        self.credential = credential

    def request(self, method: str, url: str, **options: typing.Any) -> Response:
        pairs = list(self.headers.items()) + list((options.pop("headers", None) or {}).items())
        merged = {name.lower(): value for name, value in pairs}
        params = options.pop("params", None) or {}
        params = [*self.params.items(), *(params.items() if hasattr(params, "items") else params)]
        options.setdefault("credential", self.credential)
        return request(method, url, headers=merged, params=params, **options)

    def get(self, url: str, **options: typing.Any) -> Response:
        return self.request("GET", url, **options)

    def post(self, url: str, data: typing.Any = None, json: typing.Any = None, **options: typing.Any) -> Response:
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: typing.Any = None, **options: typing.Any) -> Response:
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: typing.Any = None, **options: typing.Any) -> Response:
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: str, **options: typing.Any) -> Response:
        return self.request("DELETE", url, **options)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        return None
