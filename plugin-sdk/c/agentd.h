/* What a plugin in C begins with: text, JSON, and errors, beside the bindings in gen/plugin.h.
 *
 * - Everything that is handed to the host must be on the heap, for the bindings free it: `text("…")` copies.
 * - Each call gets a fresh instance (an agent one for each run), so that what a call leaves behind goes with it.
 * - Running out of memory, and `panic`, end the call; what stands on standard error is in the plugin's log. */
#ifndef AGENTD_H
#define AGENTD_H

#include "plugin.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- text ---- */

/* For `%.*s` in printf and its like: printf("%.*s", SHOW(task->title)). */
#define SHOW(string) (int)(string).len, (const char *)(string).ptr

plugin_string_t text(const char *literal);
plugin_string_t copy(plugin_string_t string);
const char *chars(plugin_string_t string); /* a copy that ends as C likes it */
plugin_string_t format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
bool same(plugin_string_t string, const char *other);
bool equal(plugin_string_t one, plugin_string_t other);
plugin_string_t trimmed(plugin_string_t string); /* a part of the same memory: copy it before you hand it over */
plugin_option_string_t some(plugin_string_t string);

/* Text that grows. Begin with `buffer out = {0}`; `finished` gives what is in it. */
typedef struct {
    char *ptr;
    size_t len, room;
} buffer;

void add(buffer *out, const char *pattern, ...) __attribute__((format(printf, 2, 3)));
void add_bytes(buffer *out, const void *bytes, size_t count);
void add_json(buffer *out, plugin_string_t string); /* with its quotes */
void add_url(buffer *out, plugin_string_t string);  /* percent-encoded, for a path or a query */
plugin_string_t finished(buffer *out);

/* ---- JSON ---- */

typedef struct json json;

/* NULL: the text is no JSON. */
json *json_read(plugin_string_t text);
/* NULL where there is no such key, also if `object` is NULL or no object: so lookups can be chained. */
json *json_get(const json *object, const char *key);
size_t json_count(const json *list); /* of a list or an object; 0 for all else */
json *json_at(const json *list, size_t index);
bool json_is_list(const json *value);
bool json_is_object(const json *value);
/* What stands there, or `otherwise` where that is missing or of another kind. */
plugin_string_t json_string(const json *value, const char *otherwise);
double json_number(const json *value, double otherwise);
bool json_bool(const json *value, bool otherwise);
/* The value as it is written in the text: for handing on. */
plugin_string_t json_source(const json *value);

/* The settings of the entry that the call is made for, defaults filled in. */
json *settings(void);

/* ---- errors and log ---- */

typedef agentd_types_common_error_t fault;

/* Fills in the error and gives false: `return fail(error, AGENTD_TYPES_COMMON_ERROR_INVALID, "%s …", …)`. Its case
 * decides what the host does: UNAVAILABLE and OTHER are tried again, others when something has changed. */
bool fail(fault *error, uint8_t tag, const char *pattern, ...) __attribute__((format(printf, 3, 4)));
/* RATE_LIMITED; `retry_at` 0: the other side did not say. */
bool fail_rate_limited(fault *error, uint64_t retry_at, plugin_string_t message);
/* The error for an HTTP answer's status, by which the host knows whether to try again. `url` is shown as far as its
 * host, the body with its beginning. */
bool fail_status(fault *error, uint16_t status, plugin_string_t url, plugin_string_t body);

/* A line in the plugin's log; `level` is AGENTD_HOST_LOG_LEVEL_INFO and so on. */
void say(uint8_t level, const char *pattern, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void panic(const char *reason);

/* Memory that is there, and zero; and more of it, whose new part holds anything. Never NULL. */
void *room(size_t count, size_t size);
void *grown(void *memory, size_t bytes);

#endif
