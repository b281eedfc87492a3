"""{{name}}: a program as an agent. It gets the prompt on its standard input, and writes a line of JSON for whatever it
does; any other line counts as something that it says.

    {"type": "message", "text": "…"}        {"type": "tool", "id": "1", "name": "edit", "input": {…}}
    {"type": "session", "id": "…"}          {"type": "result", "id": "1", "output": "…", "failed": false}

One instance lives as long as the run does, and what it says depends on the run and the lines alone: after a restart the
host reads all lines again and must hear the same.
"""

import json

from agentd_sdk import exported, fail, make, parse, settings
from wit_world.exports.agent import Exit, Line, Order, Plan, Progress, Requirements
from wit_world.exports.manifest import Description, Problem
from wit_world.imports import activity
from wit_world.imports.activity import Conclusion, Event, Message, Notice, Run, Started, ToolCall, ToolResult

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["argv"],
    "properties": {
        "argv": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The program and its arguments",
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
            summary="Runs a program that speaks JSON lines as an agent",
            settings_schema=json.dumps(SCHEMA),
        )

    def check(self, text: str) -> list[Problem]:
        argv = parse(text).get("argv")
        if argv is None or (isinstance(argv, list) and argv and str(argv[0]).strip()):
            return []
        return [make(Problem, pointer="/argv", message='names no program: ["my-agent", "--json"]')]


class State:
    """One run, from `launch` to `conclude`."""

    def __init__(self) -> None:
        self.session: str | None = None
        self.answer = ""
        self.errors: list[str] = []


state = State()


@exported
class Agent:
    def needs(self) -> Requirements:
        return make(Requirements, check=["sh", "-c", 'command -v -- "$1"', "sh", settings()["argv"][0]])

    def launch(self, run: Run) -> Plan:
        global state
        state = State()
        env = [("AGENT_TASK", run.task.id), ("AGENT_PURPOSE", run.purpose)]
        if run.model:
            env.append(("AGENT_MODEL", run.model))
        stdin = f"{run.system}\n\n{run.prompt}" if run.system else run.prompt
        return make(Plan, argv=settings()["argv"], env=env, stdin=stdin)

    def read(self, lines: list[Line]) -> Progress:
        return make(Progress, events=[event for line in lines if (event := read(line))], send="")

    def control(self, order: Order) -> Progress:
        raise fail.unsupported(f"this agent does not take `{order.verb}` while it runs")

    def conclude(self, exit: Exit) -> Conclusion:
        if exit.cause in ("exited", "finished") and exit.code == 0:
            outcome = activity.Outcome_Completed() if state.answer else activity.Outcome_Empty()
        else:
            outcome = activity.Outcome_Failed()
        answer = state.answer
        if not isinstance(outcome, activity.Outcome_Completed):
            code = "no exit code" if exit.code is None else exit.code
            answer = "\n".join(state.errors) or exit.stderr.strip() or f"it ended with {code} ({exit.cause})"
        return make(Conclusion, outcome=outcome, answer=answer, session=state.session)


def read(line: Line) -> Event | None:
    text = line.text
    if not text.strip():
        return None
    if line.stderr:
        state.errors = [*state.errors[-19:], text]
        notice = make(Notice, weight=activity.Weight.INFO, code="stderr", text=text)
        return make(Event, happening=activity.Happening_Notice(notice))
    said = parse(text)
    match said.get("type"):
        case "session":
            state.session = str(said.get("id"))
            return make(Event, happening=activity.Happening_Started(make(Started, session=state.session)))
        case "tool":
            given = json.dumps(said.get("input", {}), ensure_ascii=False, separators=(",", ":"))
            call = make(ToolCall, id=str(said.get("id")), name=str(said.get("name")), input=given)
            return make(Event, happening=activity.Happening_ToolCall(call))
        case "result":
            output, failed = str(said.get("output", "")), bool(said.get("failed"))
            result = make(ToolResult, id=str(said.get("id")), output=output, failed=failed)
            return make(Event, happening=activity.Happening_ToolResult(result))
        case "message":
            state.answer = str(said.get("text"))
        case _:
            state.answer = text
    return make(Event, happening=activity.Happening_Message(make(Message, text=state.answer)))
