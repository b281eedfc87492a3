"""{{name}}: the open items of a tracker with a small JSON interface are work.

    GET  URL?since=CURSOR  ->  [{"id": "7", "title": "…", "text": "…", "link": "https://…", "open": true,
                                 "labels": ["bug"], "changed": "2026-03-01T12:00:00Z"}, …]     oldest change first
    POST URL/7             <-  {"state": "in-review", "text": "…"}

The cursor is the latest change that was seen. Closed items are withdrawn.
"""

import json
from urllib.parse import quote, urlsplit

import agentd_requests as requests
from agentd_sdk import exported, fail, log, make, parse, settings
from wit_world.exports.manifest import Attachment_Bearer, Credential, Description, HttpWant, Problem, Want_Http
from wit_world.exports.task_source import (
    Delivery,
    FeedbackPage,
    FeedbackRequest,
    Intake,
    Item_Withdrawn,
    Item_Work,
    PollRequest,
    Receipt,
    Update,
    Withdrawal,
)
from wit_world.imports.work import Draft, Edit

PAGE = 100

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "The list of items: https://tracker.example.org/items"},
        "credential": {
            "type": "string",
            "default": "tracker",
            "description": "The credential for the tracker: a bearer token",
        },
        "repository": {"type": "string", "description": "The repository that the work is in; else the routes decide"},
    },
}


@exported
class Manifest:
    def describe(self, text: str) -> Description:
        its = parse(text)
        want = make(
            HttpWant,
            methods=["GET", "POST"],
            url=str(its.get("url", "{url}")),
            credential=make(Credential, name=str(its.get("credential", "tracker")), attach=Attachment_Bearer()),
            why="to read the items, and to write what becomes of them",
        )
        return make(
            Description,
            name="{{name}}",
            version="0.1.0",
            summary="Makes tasks of the open items of a tracker",
            settings_schema=json.dumps(SCHEMA),
            wants=[Want_Http(want)],
        )

    def check(self, text: str) -> list[Problem]:
        url = parse(text).get("url")
        if url is None or (isinstance(url, str) and urlsplit(url).netloc and not urlsplit(url).query):
            return []
        message = "is no address without a query: https://tracker.example.org/items"
        return [make(Problem, pointer="/url", message=message)]


@exported
class TaskSource:
    def poll(self, request: PollRequest) -> Intake:
        its = settings()
        params = {"since": request.cursor, "limit": PAGE}
        response = requests.get(its["url"], params=params, credential=its["credential"])
        response.raise_for_status()
        found = response.json()
        if not isinstance(found, list):
            raise fail.invalid(f"{its['url']} answered with something that is no list")

        items, latest = [], request.cursor or ""
        for one in found:
            if not isinstance(one, dict) or not one.get("id"):
                log.warn("skipped an item without id")
                continue
            if one.get("open"):
                items.append(Item_Work(draft(one, its.get("repository"))))
            else:
                items.append(Item_Withdrawn(make(Withdrawal, key=one["id"], reason="closed in the tracker")))
            latest = max(latest, str(one.get("changed", "")))
        # A page that brings nothing later would be the same page again.
        more = len(found) == PAGE and latest != request.cursor
        return make(Intake, items=items, cursor=latest or None, more=more)

    def feedback(self, request: FeedbackRequest) -> FeedbackPage:
        return make(FeedbackPage)

    def receive(self, delivery: Delivery) -> Receipt:
        raise fail.unsupported("this source takes no webhooks")

    def report(self, update: Update) -> list[Edit]:
        if update.text is None and update.task.state == update.former_state:
            return []
        its = settings()
        body = {"state": update.task.state}
        if update.text is not None:
            body["text"] = f"{update.text}\n\n{update.marker}"
        url = f"{its['url']}/{quote(update.task.key, safe='')}"
        response = requests.post(url, json=body, credential=its["credential"], idempotency_key=update.id)
        response.raise_for_status()
        return []


def draft(item: dict, repository: str | None) -> Draft:
    return make(
        Draft,
        key=item["id"],
        title=str(item.get("title") or item["id"]),
        body=str(item.get("text", "")),
        url=item.get("link"),
        subject=item.get("link"),
        repository=repository,
        labels=[str(label) for label in item.get("labels", [])],
    )
