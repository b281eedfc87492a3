"""{{name}}: posts what happens into a chat channel, through an incoming webhook that takes {"text": "…"} (Slack,
Mattermost, Rocket.Chat and others do). The webhook's address is a credential: the host knows it, this file does not.
"""

import json
import re

import agentd_requests as requests
from agentd_sdk import exported, make, parse, settings
from wit_world.exports.manifest import Attachment_Url, Credential, Description, HttpWant, Problem, Want_Http
from wit_world.exports.notifier import Event, Message, Severity
from wit_world.imports.work import Edit

SEVERITIES = {"info": Severity.INFO, "warning": Severity.WARNING, "urgent": Severity.URGENT}
ICONS = {Severity.INFO: "·", Severity.WARNING: "⚠", Severity.URGENT: "🚨"}

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "credential": {
            "type": "string",
            "default": "chat",
            "description": "The credential that holds the webhook's address, as `url`",
        },
        "least": {
            "type": "string",
            "enum": list(SEVERITIES),
            "default": "info",
            "description": "What is less severe than this is not told",
        },
    },
}


@exported
class Manifest:
    def describe(self, text: str) -> Description:
        credential = make(Credential, name=str(parse(text).get("credential", "chat")), attach=Attachment_Url())
        why = "to post into the channel of the incoming webhook"
        return make(
            Description,
            name="{{name}}",
            version="0.1.0",
            summary="Posts what happens into a chat channel",
            settings_schema=json.dumps(SCHEMA),
            wants=[Want_Http(make(HttpWant, methods=["POST"], url="", credential=credential, why=why))],
        )

    def check(self, text: str) -> list[Problem]:
        if re.fullmatch(r"[\w.-]+", str(parse(text).get("credential", "chat"))):
            return []
        message = "is no name of a credential; its address belongs into [credentials], as `url`"
        return [make(Problem, pointer="/credential", message=message)]


@exported
class Notifier:
    def notify(self, message: Message) -> list[Edit]:
        its = settings()
        least = SEVERITIES[its["least"]]
        told = [line(event) for event in message.events if event.severity.value >= least.value]
        if told:
            body = {"text": "\n".join(told)}
            response = requests.post("", json=body, credential=its["credential"], idempotency_key=message.id)
            response.raise_for_status()
        return []


def line(event: Event) -> str:
    # Titles hold words of others: without these characters nothing in them can mention or link.
    title = " ".join(re.sub(r"[<>@&*_~`\[\]]", " ", event.title).split())
    return f"{ICONS[event.severity]} {title}{' ' + event.url if event.url else ''}"
