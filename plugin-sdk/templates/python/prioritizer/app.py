"""{{name}}: ranks tasks by what others wait for, by labels, and by how long they wait; what failed before goes back.

A score is kept and compared with scores of other days. So it depends on its task alone, and waiting is counted from a
fixed day: one day is worth one point, whenever it is asked.
"""

import json

from agentd_sdk import exported, make, settings
from wit_world.exports.manifest import Description, Problem
from wit_world.exports.prioritizer import Batch, Candidate, Score

DAY_MS = 86_400_000
EPOCH_MS = 1_735_689_600_000  # 2025-01-01
PRIORITY = {1: 30, 2: 15, 3: 5, 4: 0}

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "default": {"bug": 10, "security": 40},
            "description": "Points by label",
        },
        "blocks": {"type": "number", "default": 8, "description": "Points for each task that waits for this one"},
        "failure": {"type": "number", "default": 4, "description": "Points that each failed run takes off"},
    },
}


@exported
class Manifest:
    def describe(self, text: str) -> Description:
        return make(
            Description,
            name="{{name}}",
            version="0.1.0",
            summary="Ranks tasks by what they block, their labels, and how long they wait",
            settings_schema=json.dumps(SCHEMA),
        )

    def check(self, text: str) -> list[Problem]:
        return []


@exported
class Prioritizer:
    def rank(self, batch: Batch) -> list[Score]:
        points = settings()
        return [score(candidate, points) for candidate in batch.candidates]


def score(candidate: Candidate, points: dict) -> Score:
    task = candidate.task
    parts = [(f"label {label}", points["labels"].get(label, 0)) for label in task.labels]
    if task.priority is not None:
        parts.append((f"priority {task.priority}", PRIORITY.get(task.priority, PRIORITY[3])))
    parts.append((f"blocks {candidate.blocks}", candidate.blocks * points["blocks"]))
    parts.append((f"failed {candidate.failures} times", -candidate.failures * points["failure"]))
    parts = [(name, value) for name, value in parts if value != 0]
    reason = ", ".join(f"{name} {value:+}" for name, value in parts) or "by waiting time"
    value = sum(value for _, value in parts) - (candidate.waiting_since - EPOCH_MS) / DAY_MS
    return make(Score, task=task.id, value=float(value), reason=reason)
