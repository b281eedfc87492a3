"""stale-todos: a TODO that names its owner and has stood for long is work.

    [analyzers.stale-todos]
    plugin = "stale-todos"
    repositories = ["shop"]
    settings = { days = 180 }

`TODO(ann): …` and its like are found by the host's search; how long each has stood, and who wrote it, says the host's
blame. A call looks at some hundred of them and goes on where it stopped (`cursor`), so that a large repository does not
pass the limits of one call.
"""

import datetime
import json
import re

from agentd_sdk import exported, make, parse, settings
from wit_world.exports.analyzer import Report, Request
from wit_world.exports.manifest import Description, Problem, RepositoryWant, Want_Repository
from wit_world.imports import repository
from wit_world.imports.repository import BlameRange, Hit, SearchQuery
from wit_world.imports.work import Draft, Location

DAY_MS = 86_400_000
HITS = 200  # a call

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "words": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["TODO", "FIXME"],
            "description": "The words that mark such a comment",
        },
        "days": {"type": "integer", "minimum": 1, "default": 180, "description": "How long one may stand"},
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
            name="stale-todos",
            version="1.0.0",
            summary="Makes tasks of TODO comments that have an owner and have stood for long",
            settings_schema=json.dumps(SCHEMA),
            wants=[Want_Repository(make(RepositoryWant, why="to search it for comments, and to see how old they are"))],
        )

    def check(self, text: str) -> list[Problem]:
        words = parse(text).get("words", ["TODO"])
        if isinstance(words, list) and words and all(re.fullmatch(r"\w+", str(word)) for word in words):
            return []
        return [make(Problem, pointer="/words", message='is no list of single words: ["TODO"]')]


@exported
class Analyzer:
    def analyze(self, request: Request) -> Report:
        its = settings()
        page = repository.search(
            make(
                SearchQuery,
                tree=request.repository,
                revision=request.revision,
                pattern=rf"\b({'|'.join(its['words'])})\(([^)]+)\)",
                globs=its["globs"],
                context=2,
                cursor=request.cursor,
                limit=HITS,
            )
        )
        oldest = request.now - its["days"] * DAY_MS
        findings: dict[str, Draft] = {}
        for hit in page.hits:
            who = blame(request, hit)
            if who is not None and who.committed_at <= oldest:
                found = finding(hit, who, (request.now - who.committed_at) // DAY_MS)
                findings.setdefault(found.key, found)
        kept = list(findings.values())[: request.limit]
        return make(
            Report,
            findings=kept,
            complete=page.next is None and len(kept) == len(findings),
            cursor=page.next,
            summary=f"{len(page.hits)} owned TODO comments, {len(findings)} older than {its['days']} days",
        )


def blame(request: Request, hit: Hit) -> BlameRange | None:
    ranges = repository.blame(request.repository, request.revision, hit.path, hit.line, hit.line)
    return ranges[0] if ranges else None


def finding(hit: Hit, who: BlameRange, days: int) -> Draft:
    words = re.sub(r"^\W+|\W+$", "", hit.text.strip())
    owner = re.search(r"\(([^)]+)\)", hit.text)[1]
    since = datetime.datetime.fromtimestamp(who.committed_at / 1_000, datetime.timezone.utc).date()
    lines = "".join(f"    {line}\n" for line in [*hit.before, hit.text, *hit.after])
    return make(
        Draft,
        # Made of the words and not of the line: the comment stays the same while it moves.
        key=f"{hit.path}: {words}"[:200],
        title=f"Settle the TODO of {owner} in {hit.path}",
        body=f"Line {hit.line} of `{hit.path}` has stood since {since} ({days} days); {who.author} wrote it:\n\n{lines}\n"
        "Do what it asks for and remove it; or remove it and say why it is not needed any more.",
        labels=["todo"],
        locations=[make(Location, path=hit.path, line=hit.line, end_line=hit.line)],
        fields=[("owner", owner)],
        created_at=who.committed_at,
    )
