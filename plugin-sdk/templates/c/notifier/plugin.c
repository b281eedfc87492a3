/* {{name}}: posts what happens into a chat channel, through an incoming webhook that takes {"text": "…"} (Slack,
 * Mattermost, Rocket.Chat and others do). The webhook's address is a credential: the host knows it, this file does not. */
#include "agentd.h"

#include <string.h>

typedef exports_agentd_notifier_notifier_event_t event;

static const char *const SEVERITIES[] = {"info", "warning", "urgent"};
static const char *const ICONS[] = {"·", "⚠", "🚨"};

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "\"credential\": {\"type\": \"string\", \"default\": \"chat\","
    " \"description\": \"The credential that holds the webhook's address, as `url`\"},"
    "\"least\": {\"type\": \"string\", \"enum\": [\"info\", \"warning\", \"urgent\"], \"default\": \"info\","
    " \"description\": \"What is less severe than this is not told\"}}}";

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Posts what happens into a chat channel"),
        .settings_schema = text(SCHEMA),
        .wants = {room(1, sizeof *ret->wants.ptr), 1},
    };
    ret->wants.ptr[0].tag = EXPORTS_AGENTD_PLUGIN_MANIFEST_WANT_HTTP;
    exports_agentd_plugin_manifest_http_want_t *http = &ret->wants.ptr[0].val.http;
    http->methods.ptr = room(1, sizeof *http->methods.ptr);
    http->methods.len = 1;
    http->methods.ptr[0] = text("POST");
    http->url = text(""); /* the credential is the address */
    http->credential.is_some = true;
    http->credential.val.name = json_string(json_get(json_read(*given), "credential"), "chat");
    http->credential.val.attach.tag = EXPORTS_AGENTD_PLUGIN_MANIFEST_ATTACHMENT_URL;
    http->why = text("to post into the channel of the incoming webhook");
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
    plugin_string_t credential = json_string(json_get(json_read(*given), "credential"), "chat");
    if (credential.len && !strpbrk(chars(credential), ":/ \t\r\n")) return;
    ret->ptr = room(1, sizeof *ret->ptr);
    ret->len = 1;
    ret->ptr[0].pointer = text("/credential");
    ret->ptr[0].message = text("is no name of a credential; its address belongs into [credentials], as `url`");
}

static void add_line(buffer *out, const event *it) {
    if (out->len) add(out, "\n");
    add(out, "%s", ICONS[it->severity]);
    /* Titles hold words of others: without these characters nothing in them can mention or link. */
    bool gap = true;
    for (size_t at = 0; at < it->title.len; at++) {
        char byte = (char)it->title.ptr[at];
        bool blank = byte == 0 || strchr("<>@&*_~`[] \t\r\n", byte);
        if (!blank) {
            if (gap) add(out, " ");
            add_bytes(out, &byte, 1);
        }
        gap = blank;
    }
    if (it->url.is_some) add(out, " %.*s", SHOW(it->url.val));
}

bool exports_agentd_notifier_notifier_notify(
    exports_agentd_notifier_notifier_message_t *message,
    exports_agentd_notifier_notifier_list_edit_t *ret,
    fault *error
) {
    *ret = (exports_agentd_notifier_notifier_list_edit_t){0};
    const json *its = settings();
    plugin_string_t least = json_string(json_get(its, "least"), "info");
    buffer lines = {0};
    for (size_t index = 0; index < message->events.len; index++) {
        const event *it = &message->events.ptr[index];
        size_t from = same(least, SEVERITIES[2]) ? 2 : same(least, SEVERITIES[1]) ? 1 : 0;
        if (it->severity >= from) add_line(&lines, it);
    }
    if (!lines.len) return true;

    buffer body = {0};
    add(&body, "{\"text\":");
    add_json(&body, finished(&lines));
    add(&body, "}");
    plugin_tuple2_string_string_t header = {text("content-type"), text("application/json")};
    plugin_tuple2_string_string_t key = {text("idempotency-key"), copy(message->id)};
    agentd_host_http_request_t request = {
        .method = text("POST"),
        .url = text(""),
        .headers = {&header, 1},
        .body = {.tag = AGENTD_TYPES_COMMON_CONTENT_TEXT, .val.text = finished(&body)},
        .credential = some(json_string(json_get(its, "credential"), "chat")),
        .extra = {&key, 1},
    };
    agentd_host_http_response_t response;
    if (!agentd_host_http_send(&request, &response, error)) return false;
    if (response.status >= 200 && response.status < 300) return true;
    plugin_string_t said = response.body.tag == AGENTD_TYPES_COMMON_CONTENT_TEXT ? response.body.val.text : text("");
    return fail_status(error, response.status, request.url, said);
}
