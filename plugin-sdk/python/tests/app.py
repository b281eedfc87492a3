"""Proves agentd_requests and agentd_sdk where they have to work: in a component, through the host.

This is the app.py of a project that `agentd plugin new requests --lang python --kind notifier` makes; with the cases
beside it, `agentd plugin build` and `agentd plugin test` run it. `notify` runs all checks, and fails with what is wrong.
"""

import random
import uuid

import agentd_requests as requests
from agentd_sdk import Err, exported, extra, fail, log, make, parse
from wit_world.exports.manifest import Attachment_Bearer, Credential, Description, HttpWant, Problem, Want_Http
from wit_world.exports.notifier import Message
from wit_world.imports import common
from wit_world.imports.work import Draft, Edit

EARLY = random.random()  # while the component is built
URL = "https://example.org/items"


@exported
class Manifest:
    def describe(self, text: str) -> Description:
        credential = make(Credential, name="tracker", attach=Attachment_Bearer())
        want = make(HttpWant, url="https://example.org/", credential=credential, why="to be checked")
        return make(
            Description,
            name="{{name}}",
            version="0.1.0",
            summary="Checks the client",
            settings_schema="",
            wants=[Want_Http(want)],
        )

    def check(self, text: str) -> list[Problem]:
        return []


@exported
class Notifier:
    def notify(self, message: Message) -> list[Edit]:
        if message.id == "status":
            requests.get(URL).raise_for_status()
        if message.id == "stack":
            thrower()
        wrong = []
        for test in TESTS:
            try:
                test()
            except AssertionError as error:
                wrong.append(f"{test.__name__}: {error}")
        if wrong:
            raise fail.other("; ".join(wrong))
        log.info("all is well", url=URL)
        return []


def thrower() -> None:
    raise RuntimeError("thrown")


def same(got: object, expected: object) -> None:
    assert got == expected, f"{got!r} instead of {expected!r}"


def parameters_go_into_the_query() -> None:
    response = requests.get(f"{URL}?a=1#top", params={"q": "ü b", "none": None, "list": [1, 2]}, timeout=0.5)
    same((response.status_code, response.ok, response.json()), (200, True, {"name": "ü"}))
    same((response.headers["ETag"], response.headers.get("x-none"), "etag" in response.headers), ("a, b", None, True))


def bodies_are_of_their_kinds() -> None:
    requests.post(URL, json={"text": "ü", "list": [1]}, headers={"Accept": "*/*"}, credential="tracker", idempotency_key="k")
    requests.put(URL, data={"a": "b c"})
    same(requests.patch(URL, data=b"\xff").content, b"\x00\xff")
    same(requests.delete(URL).text, "")


def a_session_shares_what_it_was_given() -> None:
    with requests.Session(credential="tracker") as session:
        session.headers["X-One"] = "1"
        session.params["page"] = 2
        session.get(URL, headers={"x-two": "2"}, params={"q": "a"})


def a_status_says_whether_to_try_again() -> None:
    response = requests.get(URL)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        same((error.response.status_code, str(error)), (429, "https://example.org answered 429 (not so fast)"))
        same(error.value.value.retry_at, 1_790_000_002_000)
    else:
        raise AssertionError("nothing was raised")
    for status, case in [(401, common.Error_Denied), (404, common.Error_NotFound), (409, common.Error_Conflict)]:
        response.status_code = status
        same(type(response._error("")), case)


def what_is_no_json_is_an_error() -> None:
    try:
        requests.get(URL).json()
    except requests.RequestException as error:
        assert "what is no JSON" in str(error), str(error)
    else:
        raise AssertionError("nothing was raised")


def a_refusal_of_the_host_is_its_own_error() -> None:
    try:
        requests.get("https://example.org/refused")
    except Err as error:
        same(error.value, common.Error_Denied("not granted"))
    else:
        raise AssertionError("nothing was raised")


def records_are_filled_in() -> None:
    one, other = (make(Draft, key=key, title="t", body="b") for key in "ab")
    one.labels.append("x")
    same((one.labels, other.labels, other.url), (["x"], [], None))
    one.extra.append(("k", "v"))
    same((extra(one, "k"), extra(one, "z"), parse("[]"), parse("no")), ("v", None, {}, {}))


def chance_is_chance() -> None:
    assert random.random() != EARLY and uuid.uuid4() != uuid.uuid4()


TESTS = [
    parameters_go_into_the_query,
    bodies_are_of_their_kinds,
    a_session_shares_what_it_was_given,
    a_status_says_whether_to_try_again,
    what_is_no_json_is_an_error,
    a_refusal_of_the_host_is_its_own_error,
    records_are_filled_in,
    chance_is_chance,
]
