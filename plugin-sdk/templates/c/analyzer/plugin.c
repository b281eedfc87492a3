/* {{name}}: a test that is switched off is work. Finds the marks that skip tests, in the languages that people test in.
 *
 * The key is made of the file and of the line's text, never of its number: a finding stays the same while it moves. */
#include "agentd.h"

#include <string.h>

enum { KEY_BYTES = 200 };

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "\"marks\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"default\": [\"#[ignore\", \"@Disabled\","
    " \"@Ignore\", \"@pytest.mark.skip\", \"@unittest.skip\", \"t.Skip(\", \"it.skip(\", \"test.skip(\", \"describe.skip(\"],"
    " \"description\": \"What stands where a test is skipped\"},"
    "\"globs\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"default\": [\"!vendor/**\", \"!node_modules/**\"],"
    " \"description\": \"Which files to search\"}}}";

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Makes tasks of tests that are switched off"),
        .settings_schema = text(SCHEMA),
        .wants = {room(1, sizeof *ret->wants.ptr), 1},
    };
    ret->wants.ptr[0].tag = EXPORTS_AGENTD_PLUGIN_MANIFEST_WANT_REPOSITORY;
    ret->wants.ptr[0].val.repository.why = text("to search it for tests that are skipped");
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
    const json *marks = json_get(json_read(*given), "marks");
    bool good = !marks || (json_is_list(marks) && json_count(marks) > 0);
    for (size_t index = 0; index < json_count(marks); index++) {
        good = good && json_string(json_at(marks, index), "").len > 0;
    }
    if (good) return;
    ret->ptr = room(1, sizeof *ret->ptr);
    ret->len = 1;
    ret->ptr[0].pointer = text("/marks");
    ret->ptr[0].message = text("names nothing to look for, or an empty text: [\"it.skip(\"]");
}

/* All marks as one pattern that means nothing but these texts. */
static plugin_string_t pattern(const json *marks) {
    buffer out = {0};
    for (size_t index = 0; index < json_count(marks); index++) {
        if (index) add(&out, "|");
        for (const char *at = chars(json_string(json_at(marks, index), "")); *at; at++) {
            add(&out, "%s%c", strchr("\\^$.|?*+()[]{}", *at) ? "\\" : "", *at);
        }
    }
    return finished(&out);
}

static agentd_types_work_draft_t finding(const agentd_host_repository_hit_t *hit) {
    buffer body = {0};
    add(&body, "Line %u of `%.*s` skips a test:\n\n", hit->line, SHOW(hit->path));
    for (size_t index = 0; index < hit->before.len; index++) add(&body, "    %.*s\n", SHOW(hit->before.ptr[index]));
    add(&body, "    %.*s\n", SHOW(hit->text));
    for (size_t index = 0; index < hit->after.len; index++) add(&body, "    %.*s\n", SHOW(hit->after.ptr[index]));
    add(&body, "\nFind out why, repair what is broken, and remove the mark; or remove the test if it tests nothing any more.");

    plugin_string_t key = format("%.*s: %.*s", SHOW(hit->path), SHOW(trimmed(hit->text)));
    while (key.len > KEY_BYTES || (key.len == KEY_BYTES && (key.ptr[key.len] & 0xc0) == 0x80)) key.len--;
    agentd_types_work_draft_t draft = {
        .key = key,
        .title = format("Switch the skipped test in %.*s on again", SHOW(hit->path)),
        .body = finished(&body),
        .labels = {room(1, sizeof *draft.labels.ptr), 1},
        .locations = {room(1, sizeof *draft.locations.ptr), 1},
    };
    draft.labels.ptr[0] = text("tests");
    draft.locations.ptr[0] = (agentd_types_work_location_t){.path = copy(hit->path), .line = hit->line, .end_line = hit->line};
    return draft;
}

static bool known(const agentd_types_work_draft_t *findings, size_t count, plugin_string_t key) {
    for (size_t index = 0; index < count; index++) {
        if (equal(findings[index].key, key)) return true;
    }
    return false;
}

bool exports_agentd_analyzer_analyzer_analyze(
    exports_agentd_analyzer_analyzer_request_t *request,
    exports_agentd_analyzer_analyzer_report_t *ret,
    fault *error
) {
    const json *its = settings(), *globs = json_get(its, "globs");
    agentd_host_repository_search_query_t query = {
        .tree = request->repository,
        .revision = some(request->revision),
        .pattern = pattern(json_get(its, "marks")),
        .globs = {room(json_count(globs), sizeof *query.globs.ptr), json_count(globs)},
        .context = 3,
        .limit = 1000,
    };
    for (size_t index = 0; index < query.globs.len; index++) {
        query.globs.ptr[index] = json_string(json_at(globs, index), "");
    }

    *ret = (exports_agentd_analyzer_analyzer_report_t){.complete = true};
    size_t hits = 0;
    do {
        agentd_host_repository_search_page_t page;
        if (!agentd_host_repository_search(&query, &page, error)) return false;
        hits += page.hits.len;
        ret->findings.ptr = grown(ret->findings.ptr, (ret->findings.len + page.hits.len) * sizeof *ret->findings.ptr);
        for (size_t index = 0; index < page.hits.len; index++) {
            agentd_types_work_draft_t draft = finding(&page.hits.ptr[index]);
            if (known(ret->findings.ptr, ret->findings.len, draft.key)) continue;
            if (ret->findings.len == request->limit) ret->complete = false; /* there are more than are wanted */
            else ret->findings.ptr[ret->findings.len++] = draft;
        }
        query.cursor = page.next;
    } while (query.cursor.is_some && ret->complete);
    ret->summary = format("%zu skipped tests, %zu findings", hits, ret->findings.len);
    return true;
}
