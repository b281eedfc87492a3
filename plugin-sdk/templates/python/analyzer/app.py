"""{{name}}: a test that is switched off is work. Finds the marks that skip tests, in the languages that people test in.

The key is made of the file and of the line's text, never of its number: a finding stays the same while it moves.
"""

import json
import re

from agentd_sdk import exported, make, parse, settings
from wit_world.exports.analyzer import Report, Request
from wit_world.exports.manifest import Description, Problem, RepositoryWant, Want_Repository
from wit_world.imports import repository
from wit_world.imports.repository import Hit, SearchQuery
from wit_world.imports.work import Draft, Location

MARKS = [
    "#[ignore",
    "@Disabled",
    "@Ignore",
    "@pytest.mark.skip",
    "@unittest.skip",
    "t.Skip(",
    "it.skip(",
    "test.skip(",
    "describe.skip(",
]

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "marks": {
            "type": "array",
            "items": {"type": "string"},
            "default": MARKS,
            "description": "What stands where a test is skipped",
        },
        "globs": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["!vendor/**", "!node_modules/**"],
            "description": "Which files to search",
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
            summary="Makes tasks of tests that are switched off",
            settings_schema=json.dumps(SCHEMA),
            wants=[Want_Repository(make(RepositoryWant, why="to search it for tests that are skipped"))],
        )

    def check(self, text: str) -> list[Problem]:
        marks = parse(text).get("marks", MARKS)
        if isinstance(marks, list) and marks and "" not in marks:
            return []
        message = 'names nothing to look for, or an empty text: ["it.skip("]'
        return [make(Problem, pointer="/marks", message=message)]


@exported
class Analyzer:
    def analyze(self, request: Request) -> Report:
        its = settings()
        query = make(
            SearchQuery,
            tree=request.repository,
            revision=request.revision,
            # `re.escape` escapes more than has to be; the host's patterns take what is special, and no more.
            pattern="|".join(re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", mark) for mark in its["marks"]),
            globs=its["globs"],
            context=3,
            limit=1_000,
        )
        findings: dict[str, Draft] = {}
        hits = 0
        while True:
            page = repository.search(query)
            hits += len(page.hits)
            for found in map(finding, page.hits):
                findings.setdefault(found.key, found)
            query.cursor = page.next
            if query.cursor is None or len(findings) > request.limit:
                break
        kept = list(findings.values())[: request.limit]
        complete = query.cursor is None and len(kept) == len(findings)
        return make(Report, findings=kept, complete=complete, summary=f"{hits} skipped tests, {len(kept)} findings")


def finding(hit: Hit) -> Draft:
    lines = "".join(f"    {line}\n" for line in [*hit.before, hit.text, *hit.after])
    return make(
        Draft,
        key=f"{hit.path}: {hit.text.strip()}"[:200],
        title=f"Switch the skipped test in {hit.path} on again",
        body=f"Line {hit.line} of `{hit.path}` skips a test:\n\n{lines}\nFind out why, repair what is broken, and remove "
        "the mark; or remove the test if it tests nothing any more.",
        labels=["tests"],
        locations=[make(Location, path=hit.path, line=hit.line, end_line=hit.line)],
    )
