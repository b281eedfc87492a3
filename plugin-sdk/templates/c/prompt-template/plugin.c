/* {{name}}: says in few words what is to be done. The rules of the settings go into the system prompt; what other
 * people wrote is quoted, never repeated in words of its own. */
#include "agentd.h"

typedef exports_agentd_prompt_template_prompt_template_part_t part;
typedef exports_agentd_prompt_template_prompt_template_prompt_t prompt;
typedef exports_agentd_prompt_template_prompt_template_request_t request;

static const struct {
    const char *purpose, *words;
} TASKS[] = {
    {"execute", "Do what the task below asks for."},
    {"feedback", "People have looked at your change. Deal with everything that they say below."},
    {"retry", "Checks failed on your change. Make them pass; do not weaken them."},
    {"fallback", "Earlier tries failed. Find the simplest change that does what the task asks for, and do only that."},
    {"ci-fix", "Checks of the forge fail on your change. Make them pass; do not weaken them."},
    {"rebase", "Your branch conflicts with its base. Merge the base, and keep what both sides meant."},
    {"plan", "Do not change anything. Say how you would do what the task below asks for, step by step."},
};

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "\"rules\": {\"type\": \"array\", \"items\": {\"type\": \"string\"},"
    " \"default\": [\"Keep the change as small as the task allows.\", \"Add or change a test for what you change.\"],"
    " \"description\": \"What always holds; goes into the system prompt\"}}}";

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Prompts in few words, with rules of your own"),
        .settings_schema = text(SCHEMA),
    };
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    const json *rules = json_get(json_read(*given), "rules");
    *ret = (exports_agentd_plugin_manifest_list_problem_t){room(json_count(rules), sizeof *ret->ptr), 0};
    for (size_t index = 0; index < json_count(rules); index++) {
        if (trimmed(json_string(json_at(rules, index), "")).len) continue;
        ret->ptr[ret->len++] = (exports_agentd_plugin_manifest_problem_t){
            .pointer = format("/rules/%zu", index),
            .message = text("is empty"),
        };
    }
}

static void add_text(prompt *out, plugin_string_t words) {
    part *it = &out->parts.ptr[out->parts.len++];
    it->tag = EXPORTS_AGENTD_PROMPT_TEMPLATE_PROMPT_TEMPLATE_PART_TEXT;
    it->val.text = words;
}

static void add_quote(prompt *out, plugin_string_t label, plugin_string_t words, const agentd_types_work_person_t *author) {
    if (!words.len) return;
    part *it = &out->parts.ptr[out->parts.len++];
    it->tag = EXPORTS_AGENTD_PROMPT_TEMPLATE_PROMPT_TEMPLATE_PART_QUOTE;
    it->val.quote = (exports_agentd_prompt_template_prompt_template_quote_t){.label = label, .text = copy(words)};
    if (!author) return;
    it->val.quote.author.is_some = true;
    it->val.quote.author.val = (agentd_types_work_person_t){.login = copy(author->login), .bot = author->bot};
    if (author->name.is_some) it->val.quote.author.val.name = some(copy(author->name.val));
}

static void add_others(prompt *out, const request *asked) {
    if (!asked->resumed) {
        add_quote(out, text("title"), asked->task.title, NULL);
        add_quote(out, text("task"), asked->body, NULL);
        for (size_t index = 0; index < asked->comments.len; index++) {
            add_quote(out, text("comment"), asked->comments.ptr[index].body, &asked->comments.ptr[index].author);
        }
    }
    for (size_t index = 0; index < asked->feedback.len; index++) {
        const agentd_types_work_comment_t *it = &asked->feedback.ptr[index];
        const agentd_types_work_location_t *where = &it->location.val;
        plugin_string_t label = it->location.is_some
            ? format("review comment on %.*s:%u", SHOW(where->path), where->line)
            : text("comment");
        add_quote(out, label, it->body, &it->author);
    }
    for (size_t index = 0; index < asked->failures.len; index++) {
        const exports_agentd_prompt_template_prompt_template_failure_t *it = &asked->failures.ptr[index];
        add_quote(out, format("output of %.*s%s", SHOW(it->name), it->repeated ? ", as before" : ""), it->output, NULL);
    }
}

bool exports_agentd_prompt_template_prompt_template_render(request *asked, prompt *ret, fault *error) {
    const char *words = NULL;
    for (size_t index = 0; index < sizeof TASKS / sizeof *TASKS; index++) {
        if (same(asked->purpose, TASKS[index].purpose)) words = TASKS[index].words;
    }
    if (!words) {
        return fail(error, AGENTD_TYPES_COMMON_ERROR_UNSUPPORTED, "no words for the purpose %.*s", SHOW(asked->purpose));
    }
    size_t most = 5 + asked->comments.len + asked->feedback.len + asked->failures.len;
    *ret = (prompt){.parts = {room(most, sizeof *ret->parts.ptr), 0}};
    add_text(ret, format("%s\n\nYou work in %.*s, on the branch %.*s from %.*s.", words, SHOW(asked->workspace),
                         SHOW(asked->branch), SHOW(asked->base)));
    add_others(ret, asked);
    if (asked->instructions.is_some && asked->instructions.val.len) add_text(ret, copy(asked->instructions.val));
    if (asked->gates.len) {
        buffer gates = {0};
        add(&gates, "These have to pass:");
        for (size_t index = 0; index < asked->gates.len; index++) add(&gates, "\n- %.*s", SHOW(asked->gates.ptr[index]));
        add_text(ret, finished(&gates));
    }
    const json *rules = json_get(settings(), "rules");
    buffer system = {0};
    for (size_t index = 0; index < json_count(rules); index++) {
        add(&system, "%s%s", index ? "\n" : "", chars(json_string(json_at(rules, index), "")));
    }
    if (system.len) ret->system = some(finished(&system));
    return true;
}
