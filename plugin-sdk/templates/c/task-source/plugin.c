/* {{name}}: the open items of a tracker with a small JSON interface are work.
 *
 *     GET  URL?since=CURSOR  ->  [{"id": "7", "title": "…", "text": "…", "link": "https://…", "open": true,
 *                                  "labels": ["bug"], "changed": "2026-03-01T12:00:00Z"}, …]     oldest change first
 *     POST URL/7             <-  {"state": "in-review", "text": "…"}
 *
 * The cursor is the latest change that was seen. Closed items are withdrawn. */
#include "agentd.h"

#include <string.h>

enum { PAGE = 100 };

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"url\"], \"properties\": {"
    "\"url\": {\"type\": \"string\", \"description\": \"The list of items: https://tracker.example.org/items\"},"
    "\"credential\": {\"type\": \"string\", \"default\": \"tracker\","
    " \"description\": \"The credential for the tracker: a bearer token\"},"
    "\"repository\": {\"type\": \"string\","
    " \"description\": \"The repository that the work is in; else the routes decide\"}}}";

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    const json *its = json_read(*given);
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Makes tasks of the open items of a tracker"),
        .settings_schema = text(SCHEMA),
        .wants = {room(1, sizeof *ret->wants.ptr), 1},
    };
    ret->wants.ptr[0].tag = EXPORTS_AGENTD_PLUGIN_MANIFEST_WANT_HTTP;
    exports_agentd_plugin_manifest_http_want_t *http = &ret->wants.ptr[0].val.http;
    http->methods.ptr = room(2, sizeof *http->methods.ptr);
    http->methods.len = 2;
    http->methods.ptr[0] = text("GET");
    http->methods.ptr[1] = text("POST");
    http->url = json_string(json_get(its, "url"), "{url}");
    http->credential.is_some = true;
    http->credential.val.name = json_string(json_get(its, "credential"), "tracker");
    http->credential.val.attach.tag = EXPORTS_AGENTD_PLUGIN_MANIFEST_ATTACHMENT_BEARER;
    http->why = text("to read the items, and to write what becomes of them");
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
    const char *url = chars(json_string(json_get(json_read(*given), "url"), "https://not-set"));
    if (strstr(url, "://") && !strpbrk(url, "?#")) return;
    ret->ptr = room(1, sizeof *ret->ptr);
    ret->len = 1;
    ret->ptr[0].pointer = text("/url");
    ret->ptr[0].message = text("is no address without a query: https://tracker.example.org/items");
}

/* Sends, and gives the answer's text; false: `error` says what went wrong. */
static bool send(const json *its, agentd_host_http_request_t *request, plugin_string_t *said, fault *error) {
    agentd_host_http_response_t response;
    request->credential = some(json_string(json_get(its, "credential"), "tracker"));
    if (!agentd_host_http_send(request, &response, error)) return false;
    *said = response.body.tag == AGENTD_TYPES_COMMON_CONTENT_TEXT ? response.body.val.text : text("");
    if (response.status >= 200 && response.status < 300) return true;
    return fail_status(error, response.status, request->url, *said);
}

static agentd_types_work_draft_t draft(const json *item, const json *its) {
    agentd_types_work_draft_t it = {
        .key = json_string(json_get(item, "id"), ""),
        .title = json_string(json_get(item, "title"), chars(json_string(json_get(item, "id"), ""))),
        .body = json_string(json_get(item, "text"), ""),
    };
    if (json_get(item, "link")) {
        it.url = some(json_string(json_get(item, "link"), ""));
        it.subject = some(json_string(json_get(item, "link"), ""));
    }
    if (json_get(its, "repository")) it.repository = some(json_string(json_get(its, "repository"), ""));
    const json *labels = json_get(item, "labels");
    it.labels.len = json_count(labels);
    it.labels.ptr = room(it.labels.len, sizeof *it.labels.ptr);
    for (size_t index = 0; index < it.labels.len; index++) {
        it.labels.ptr[index] = json_string(json_at(labels, index), "");
    }
    return it;
}

static exports_agentd_task_source_task_source_item_t item_of(const json *one, const json *its) {
    exports_agentd_task_source_task_source_item_t item = {0};
    if (json_bool(json_get(one, "open"), false)) {
        item.tag = EXPORTS_AGENTD_TASK_SOURCE_TASK_SOURCE_ITEM_WORK;
        item.val.work = draft(one, its);
    } else {
        item.tag = EXPORTS_AGENTD_TASK_SOURCE_TASK_SOURCE_ITEM_WITHDRAWN;
        item.val.withdrawn.key = json_string(json_get(one, "id"), "");
        item.val.withdrawn.reason = text("closed in the tracker");
    }
    return item;
}

bool exports_agentd_task_source_task_source_poll(
    exports_agentd_task_source_task_source_poll_request_t *asked,
    exports_agentd_task_source_task_source_intake_t *ret,
    fault *error
) {
    const json *its = settings();
    const char *since = asked->cursor.is_some ? chars(asked->cursor.val) : "";
    buffer url = {0};
    add(&url, "%s?", chars(json_string(json_get(its, "url"), "")));
    if (asked->cursor.is_some) {
        add(&url, "since=");
        add_url(&url, asked->cursor.val);
        add(&url, "&");
    }
    add(&url, "limit=%d", PAGE);
    agentd_host_http_request_t request = {.method = text("GET"), .url = finished(&url)};
    plugin_string_t said;
    if (!send(its, &request, &said, error)) return false;
    const json *found = json_read(said);
    if (!json_is_list(found)) {
        return fail(error, AGENTD_TYPES_COMMON_ERROR_INVALID, "the tracker answered with something that is no list");
    }

    *ret = (exports_agentd_task_source_task_source_intake_t){0};
    ret->items.ptr = room(json_count(found), sizeof *ret->items.ptr);
    const char *latest = since;
    for (size_t index = 0; index < json_count(found); index++) {
        const json *one = json_at(found, index);
        if (!json_string(json_get(one, "id"), "").len) {
            say(AGENTD_HOST_LOG_LEVEL_WARN, "skipped an item without id");
            continue;
        }
        ret->items.ptr[ret->items.len++] = item_of(one, its);
        const char *changed = chars(json_string(json_get(one, "changed"), ""));
        if (strcmp(changed, latest) > 0) latest = changed;
    }
    if (*latest) ret->cursor = some(text(latest));
    /* A page that brings nothing later would be the same page again. */
    ret->more = json_count(found) == PAGE && strcmp(latest, since) != 0;
    return true;
}

bool exports_agentd_task_source_task_source_feedback(
    exports_agentd_task_source_task_source_feedback_request_t *asked,
    exports_agentd_task_source_task_source_feedback_page_t *ret,
    fault *error
) {
    (void)asked, (void)error;
    *ret = (exports_agentd_task_source_task_source_feedback_page_t){0};
    return true;
}

bool exports_agentd_task_source_task_source_receive(
    exports_agentd_task_source_task_source_delivery_t *delivery,
    exports_agentd_task_source_task_source_receipt_t *ret,
    fault *error
) {
    (void)delivery, (void)ret;
    return fail(error, AGENTD_TYPES_COMMON_ERROR_UNSUPPORTED, "this source takes no webhooks");
}

bool exports_agentd_task_source_task_source_report(
    exports_agentd_task_source_task_source_update_t *update,
    exports_agentd_task_source_task_source_list_edit_t *ret,
    fault *error
) {
    *ret = (exports_agentd_task_source_task_source_list_edit_t){0};
    if (!update->text.is_some && equal(update->task.state, update->former_state)) return true;
    const json *its = settings();
    buffer url = {0}, body = {0};
    add(&url, "%s/", chars(json_string(json_get(its, "url"), "")));
    add_url(&url, update->task.key);
    add(&body, "{\"state\":");
    add_json(&body, update->task.state);
    if (update->text.is_some) {
        add(&body, ",\"text\":");
        add_json(&body, format("%.*s\n\n%.*s", SHOW(update->text.val), SHOW(update->marker)));
    }
    add(&body, "}");
    plugin_tuple2_string_string_t header = {text("content-type"), text("application/json")};
    plugin_tuple2_string_string_t key = {text("idempotency-key"), copy(update->id)};
    agentd_host_http_request_t request = {
        .method = text("POST"),
        .url = finished(&url),
        .headers = {&header, 1},
        .body = {.tag = AGENTD_TYPES_COMMON_CONTENT_TEXT, .val.text = finished(&body)},
        .extra = {&key, 1},
    };
    plugin_string_t said;
    return send(its, &request, &said, error);
}
