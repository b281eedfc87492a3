"""{{name}}: says in few words what is to be done. The rules of the settings go into the system prompt; what other people
wrote is quoted, never repeated in words of its own.
"""

import json

from agentd_sdk import exported, fail, make, parse, settings
from wit_world.exports.manifest import Description, Problem
from wit_world.exports.prompt_template import Part_Quote, Part_Text, Prompt, Quote, Request
from wit_world.imports.work import Comment, Person

TASKS = {
    "execute": "Do what the task below asks for.",
    "feedback": "People have looked at your change. Deal with everything that they say below.",
    "retry": "Checks failed on your change. Make them pass; do not weaken them.",
    "fallback": "Earlier tries failed. Find the simplest change that does what the task asks for, and do only that.",
    "ci-fix": "Checks of the forge fail on your change. Make them pass; do not weaken them.",
    "rebase": "Your branch conflicts with its base. Merge the base, and keep what both sides meant.",
    "plan": "Do not change anything. Say how you would do what the task below asks for, step by step.",
}

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rules": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["Keep the change as small as the task allows.", "Add or change a test for what you change."],
            "description": "What always holds; goes into the system prompt",
        },
    },
}


@exported
class Manifest:
    def describe(self, text: str) -> Description:
        return make(
            Description,
            name="{{name}}",
            version="0.1.0",
            summary="Prompts in few words, with rules of your own",
            settings_schema=json.dumps(SCHEMA),
        )

    def check(self, text: str) -> list[Problem]:
        rules = parse(text).get("rules", [])
        if not isinstance(rules, list):
            return [make(Problem, pointer="/rules", message="is no list")]
        empty = (index for index, rule in enumerate(rules) if not str(rule).strip())
        return [make(Problem, pointer=f"/rules/{index}", message="is empty") for index in empty]


@exported
class PromptTemplate:
    def render(self, request: Request) -> Prompt:
        task = TASKS.get(request.purpose)
        if task is None:
            raise fail.unsupported(f"no words for the purpose {request.purpose}")
        place = f"You work in {request.workspace}, on the branch {request.branch} from {request.base}."
        parts = [Part_Text(f"{task}\n\n{place}")]
        if not request.resumed:
            parts += [quote("title", request.task.title), quote("task", request.body)]
            parts += [quote("comment", it.body, it.author) for it in request.comments]
        parts += [quote(place_of(it), it.body, it.author) for it in request.feedback]
        for failure in request.failures:
            parts.append(quote(f"output of {failure.name}{', as before' * failure.repeated}", failure.output))
        if request.instructions:
            parts.append(Part_Text(request.instructions))
        if request.gates:
            parts.append(Part_Text("These have to pass:\n" + "\n".join(f"- {gate}" for gate in request.gates)))
        said = [part for part in parts if not isinstance(part, Part_Quote) or part.value.text]
        return make(Prompt, system="\n".join(settings()["rules"]) or None, parts=said)


def quote(label: str, text: str, author: Person | None = None) -> Part_Quote:
    return Part_Quote(make(Quote, label=label, author=author, text=text))


def place_of(comment: Comment) -> str:
    where = comment.location
    return f"review comment on {where.path}:{where.line}" if where else "comment"
