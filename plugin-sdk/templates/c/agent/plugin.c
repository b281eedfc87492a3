/* {{name}}: a program as an agent. It gets the prompt on its standard input, and writes a line of JSON for whatever it
 * does; any other line counts as something that it says.
 *
 *     {"type": "message", "text": "…"}        {"type": "tool", "id": "1", "name": "edit", "input": {…}}
 *     {"type": "session", "id": "…"}          {"type": "result", "id": "1", "output": "…", "failed": false}
 *
 * One instance lives as long as the run does, and what it says depends on the run and the lines alone: after a restart
 * the host reads all lines again and must hear the same. */
#include "agentd.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_LINES = 20 };

typedef agentd_agent_activity_event_t event;

static plugin_option_string_t session;
static plugin_string_t answer;
static plugin_string_t errors[ERROR_LINES];
static size_t error_count;

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"argv\"], \"properties\": {"
    "\"argv\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"minItems\": 1,"
    " \"description\": \"The program and its arguments\"}}}";

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Runs a program that speaks JSON lines as an agent"),
        .settings_schema = text(SCHEMA),
    };
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
    const json *argv = json_get(json_read(*given), "argv");
    if (!argv || trimmed(json_string(json_at(argv, 0), "")).len) return;
    ret->ptr = room(1, sizeof *ret->ptr);
    ret->len = 1;
    ret->ptr[0].pointer = text("/argv");
    ret->ptr[0].message = text("names no program: [\"my-agent\", \"--json\"]");
}

bool exports_agentd_agent_agent_needs(exports_agentd_agent_agent_requirements_t *ret, fault *error) {
    (void)error;
    static const char *const CHECK[] = {"sh", "-c", "command -v -- \"$1\"", "sh"};
    *ret = (exports_agentd_agent_agent_requirements_t){.check = {room(5, sizeof *ret->check.ptr), 5}};
    for (size_t index = 0; index < 4; index++) ret->check.ptr[index] = text(CHECK[index]);
    ret->check.ptr[4] = json_string(json_at(json_get(settings(), "argv"), 0), "");
    return true;
}

bool exports_agentd_agent_agent_launch(
    exports_agentd_agent_agent_run_t *run,
    exports_agentd_agent_agent_plan_t *ret,
    fault *error
) {
    (void)error;
    session = (plugin_option_string_t){0};
    answer = text("");
    error_count = 0;
    const json *argv = json_get(settings(), "argv");
    *ret = (exports_agentd_agent_agent_plan_t){
        .argv = {room(json_count(argv), sizeof *ret->argv.ptr), json_count(argv)},
        .env = {room(3, sizeof *ret->env.ptr), 2},
    };
    for (size_t index = 0; index < ret->argv.len; index++) ret->argv.ptr[index] = json_string(json_at(argv, index), "");
    ret->env.ptr[0] = (plugin_tuple2_string_string_t){text("AGENT_TASK"), copy(run->task.id)};
    ret->env.ptr[1] = (plugin_tuple2_string_string_t){text("AGENT_PURPOSE"), copy(run->purpose)};
    if (run->model.is_some) {
        ret->env.ptr[ret->env.len++] = (plugin_tuple2_string_string_t){text("AGENT_MODEL"), copy(run->model.val)};
    }
    buffer prompt = {0};
    if (run->system.is_some) add(&prompt, "%.*s\n\n", SHOW(run->system.val));
    add_bytes(&prompt, run->prompt.ptr, run->prompt.len);
    ret->stdin_ = finished(&prompt);
    return true;
}

static void keep_error(plugin_string_t line) {
    if (error_count == ERROR_LINES) {
        free(errors[0].ptr);
        memmove(errors, errors + 1, --error_count * sizeof *errors);
    }
    errors[error_count++] = copy(line);
}

static event message(plugin_string_t words) {
    free(answer.ptr);
    answer = words;
    event it = {.happening.tag = AGENTD_AGENT_ACTIVITY_HAPPENING_MESSAGE};
    it.happening.val.message.text = copy(words);
    return it;
}

static event event_of(const exports_agentd_agent_agent_line_t *line) {
    event it = {0};
    if (line->stderr_) {
        keep_error(line->text);
        it.happening.tag = AGENTD_AGENT_ACTIVITY_HAPPENING_NOTICE;
        it.happening.val.notice = (agentd_agent_activity_notice_t){.code = text("stderr"), .text = copy(line->text)};
        return it;
    }
    const json *said = json_read(line->text);
    plugin_string_t type = json_string(json_get(said, "type"), "");
    plugin_string_t id = json_string(json_get(said, "id"), "");
    if (same(type, "session")) {
        session = some(id);
        it.happening.tag = AGENTD_AGENT_ACTIVITY_HAPPENING_STARTED;
        it.happening.val.started.session = some(copy(id));
        return it;
    }
    if (same(type, "tool")) {
        it.happening.tag = AGENTD_AGENT_ACTIVITY_HAPPENING_TOOL_CALL;
        it.happening.val.tool_call = (agentd_agent_activity_tool_call_t){
            .id = id,
            .name = json_string(json_get(said, "name"), ""),
            .input = json_source(json_get(said, "input")),
        };
        return it;
    }
    if (same(type, "result")) {
        it.happening.tag = AGENTD_AGENT_ACTIVITY_HAPPENING_TOOL_RESULT;
        it.happening.val.tool_result = (agentd_agent_activity_tool_result_t){
            .id = id,
            .failed = json_bool(json_get(said, "failed"), false),
            .output = json_string(json_get(said, "output"), ""),
        };
        return it;
    }
    return message(same(type, "message") ? json_string(json_get(said, "text"), "") : copy(line->text));
}

void exports_agentd_agent_agent_read(
    exports_agentd_agent_agent_list_line_t *lines,
    exports_agentd_agent_agent_progress_t *ret
) {
    *ret = (exports_agentd_agent_agent_progress_t){.events = {room(lines->len, sizeof *ret->events.ptr), 0}};
    for (size_t index = 0; index < lines->len; index++) {
        if (trimmed(lines->ptr[index].text).len) ret->events.ptr[ret->events.len++] = event_of(&lines->ptr[index]);
    }
    exports_agentd_agent_agent_list_line_free(lines); /* this instance lives on */
}

bool exports_agentd_agent_agent_control(
    exports_agentd_agent_agent_order_t *order,
    exports_agentd_agent_agent_progress_t *ret,
    fault *error
) {
    (void)ret;
    return fail(error, AGENTD_TYPES_COMMON_ERROR_UNSUPPORTED, "this agent does not take `%.*s` while it runs", SHOW(order->verb));
}

static plugin_string_t why(const exports_agentd_agent_agent_exit_t *end) {
    buffer out = {0};
    for (size_t index = 0; index < error_count; index++) add(&out, "%s%.*s", index ? "\n" : "", SHOW(errors[index]));
    if (!out.len && trimmed(end->stderr_).len) add(&out, "%.*s", SHOW(trimmed(end->stderr_)));
    if (!out.len && end->code.is_some) add(&out, "it ended with %d (%.*s)", end->code.val, SHOW(end->cause));
    if (!out.len) add(&out, "it ended with no exit code (%.*s)", SHOW(end->cause));
    return finished(&out);
}

void exports_agentd_agent_agent_conclude(
    exports_agentd_agent_agent_exit_t *end,
    exports_agentd_agent_agent_conclusion_t *ret
) {
    bool ended = same(end->cause, "exited") || same(end->cause, "finished");
    bool good = ended && end->code.is_some && end->code.val == 0;
    *ret = (exports_agentd_agent_agent_conclusion_t){.session = session};
    if (session.is_some) ret->session = some(copy(session.val));
    ret->outcome.tag = !good        ? AGENTD_AGENT_ACTIVITY_OUTCOME_FAILED
                       : answer.len ? AGENTD_AGENT_ACTIVITY_OUTCOME_COMPLETED
                                    : AGENTD_AGENT_ACTIVITY_OUTCOME_EMPTY;
    ret->answer = good && answer.len ? copy(answer) : why(end);
}
