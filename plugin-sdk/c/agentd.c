/* See agentd.h. */
#include "agentd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How deep JSON may be nested: what comes from outside must not exhaust the stack. */
enum { DEPTH = 128 };

void panic(const char *reason) {
    fprintf(stderr, "panic: %s\n", reason);
    abort();
}

void *room(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) panic("out of memory");
    return memory;
}

void *grown(void *memory, size_t bytes) {
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory) panic("out of memory");
    return memory;
}

/* ---- text ---- */

static plugin_string_t from(const void *bytes, size_t count) {
    plugin_string_t string = {room(count + 1, 1), count};
    if (count) memcpy(string.ptr, bytes, count);
    return string;
}

plugin_string_t text(const char *literal) { return from(literal, strlen(literal)); }

plugin_string_t copy(plugin_string_t string) { return from(string.ptr, string.len); }

const char *chars(plugin_string_t string) { return (const char *)copy(string).ptr; }

bool same(plugin_string_t string, const char *other) {
    return string.len == strlen(other) && memcmp(string.ptr, other, string.len) == 0;
}

bool equal(plugin_string_t one, plugin_string_t other) {
    return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}

plugin_string_t trimmed(plugin_string_t string) {
    while (string.len && strchr(" \t\r\n", string.ptr[string.len - 1])) string.len--;
    while (string.len && strchr(" \t\r\n", *string.ptr)) string.ptr++, string.len--;
    return string;
}

plugin_option_string_t some(plugin_string_t string) { return (plugin_option_string_t){true, string}; }

void add_bytes(buffer *out, const void *bytes, size_t count) {
    if (out->len + count + 1 > out->room) {
        out->room = (out->len + count + 1) * 2;
        out->ptr = grown(out->ptr, out->room);
    }
    if (count) memcpy(out->ptr + out->len, bytes, count);
    out->len += count;
}

static void add_all(buffer *out, const char *pattern, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, pattern, arguments);
    if (count < 0) panic("a pattern that printf does not understand");
    char *line = room((size_t)count + 1, 1);
    vsnprintf(line, (size_t)count + 1, pattern, again);
    va_end(again);
    add_bytes(out, line, (size_t)count);
    free(line);
}

void add(buffer *out, const char *pattern, ...) {
    va_list arguments;
    va_start(arguments, pattern);
    add_all(out, pattern, arguments);
    va_end(arguments);
}

plugin_string_t format(const char *pattern, ...) {
    buffer out = {0};
    va_list arguments;
    va_start(arguments, pattern);
    add_all(&out, pattern, arguments);
    va_end(arguments);
    return finished(&out);
}

void add_json(buffer *out, plugin_string_t string) {
    add_bytes(out, "\"", 1);
    for (size_t at = 0; at < string.len; at++) {
        uint8_t byte = string.ptr[at];
        if (byte == '"' || byte == '\\') add(out, "\\%c", byte);
        else if (byte == '\n') add_bytes(out, "\\n", 2);
        else if (byte < 0x20) add(out, "\\u%04x", byte);
        else add_bytes(out, &byte, 1);
    }
    add_bytes(out, "\"", 1);
}

void add_url(buffer *out, plugin_string_t string) {
    for (size_t at = 0; at < string.len; at++) {
        uint8_t byte = string.ptr[at];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        if (plain || (byte && strchr("-._~", byte))) add_bytes(out, &byte, 1);
        else add(out, "%%%02X", byte);
    }
}

plugin_string_t finished(buffer *out) {
    if (!out->ptr) return text("");
    out->ptr[out->len] = 0; /* `add_bytes` keeps room for it */
    plugin_string_t string = {(uint8_t *)out->ptr, out->len};
    *out = (buffer){0};
    return string;
}

/* ---- JSON ---- */

struct json {
    enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT } kind;
    bool yes;
    double number;
    plugin_string_t string;
    const char *begin, *end; /* in the text */
    size_t count;
    json **values;
    plugin_string_t *keys;
};

typedef struct {
    const char *at, *end;
    int depth;
} reader;

static json *read_value(reader *in);

static void skip(reader *in) {
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at) in->at++;
}

static bool take(reader *in, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0) return false;
    in->at += length;
    return true;
}

static bool read_hex(reader *in, unsigned *code) {
    *code = 0;
    if (in->end - in->at < 4) return false;
    for (int digit = 0; digit < 4; digit++) {
        char it = *in->at++;
        int value = it >= '0' && it <= '9' ? it - '0' : it >= 'a' && it <= 'f' ? it - 'a' + 10 : it >= 'A' && it <= 'F' ? it - 'A' + 10 : -1;
        if (value < 0) return false;
        *code = *code * 16 + (unsigned)value;
    }
    return true;
}

static void add_code(buffer *out, unsigned code) {
    char bytes[4];
    size_t count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t at = count - 1; at > 0; at--, code >>= 6) bytes[at] = (char)(0x80 | (code & 63));
    bytes[0] = (char)(lead[count] | code);
    add_bytes(out, bytes, count);
}

static bool read_escape(reader *in, buffer *out) {
    if (in->at == in->end) return false;
    char it = *in->at++;
    const char *known = strchr("\"\"\\\\//b\bf\fn\nr\rt\t", it);
    if (it == 'u') {
        unsigned code, low;
        if (!read_hex(in, &code)) return false;
        if (code >= 0xd800 && code < 0xdc00 && take(in, "\\u")) {
            if (!read_hex(in, &low)) return false;
            code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
        } else if (code >= 0xd800 && code < 0xe000) {
            code = 0xfffd; /* half of a pair */
        }
        add_code(out, code);
        return true;
    }
    if (!it || !known) return false;
    add_bytes(out, known + 1, 1);
    return true;
}

static bool read_string(reader *in, plugin_string_t *string) {
    buffer out = {0};
    if (!take(in, "\"")) return false;
    while (in->at < in->end) {
        char it = *in->at++;
        if (it == '"') {
            *string = finished(&out);
            return true;
        }
        if ((unsigned char)it < 0x20) return false;
        if (it != '\\') add_bytes(&out, &it, 1);
        else if (!read_escape(in, &out)) return false;
    }
    return false;
}

/* What stands between brackets; `close` is the one at the end. */
static bool read_many(reader *in, json *value, char close) {
    size_t space = 0;
    const char end[] = {close, 0};
    skip(in);
    if (take(in, end)) return true;
    do {
        if (value->count == space) {
            space = space ? space * 2 : 8;
            value->values = grown(value->values, space * sizeof *value->values);
            value->keys = grown(value->keys, space * sizeof *value->keys);
        }
        skip(in);
        if (close == '}') {
            if (!read_string(in, &value->keys[value->count])) return false;
            skip(in);
            if (!take(in, ":")) return false;
        }
        json *one = read_value(in);
        if (!one) return false;
        value->values[value->count++] = one;
        skip(in);
    } while (take(in, ","));
    return take(in, end);
}

static bool read_number(reader *in, double *number) {
    char digits[64];
    size_t count = 0;
    while (in->at + count < in->end && count < sizeof digits - 1 && strchr("+-.0123456789eE", in->at[count]) && in->at[count]) {
        digits[count] = in->at[count];
        count++;
    }
    digits[count] = 0;
    char *end;
    *number = strtod(digits, &end);
    if (end == digits || *end) return false;
    in->at += count;
    return true;
}

static bool fill(reader *in, json *value) {
    char first = in->at < in->end ? *in->at : 0;
    if (first == '"') return value->kind = JSON_STRING, read_string(in, &value->string);
    if (take(in, "{")) return value->kind = JSON_OBJECT, read_many(in, value, '}');
    if (take(in, "[")) return value->kind = JSON_LIST, read_many(in, value, ']');
    if (take(in, "true")) return value->kind = JSON_BOOL, value->yes = true;
    if (take(in, "false")) return value->kind = JSON_BOOL, true;
    if (take(in, "null")) return true;
    return value->kind = JSON_NUMBER, read_number(in, &value->number);
}

static json *read_value(reader *in) {
    skip(in);
    json *value = room(1, sizeof *value);
    value->begin = in->at;
    if (++in->depth > DEPTH || !fill(in, value)) return NULL;
    in->depth--;
    value->end = in->at;
    return value;
}

json *json_read(plugin_string_t given) {
    reader in = {(const char *)given.ptr, (const char *)given.ptr + given.len, 0};
    json *value = read_value(&in);
    skip(&in);
    return in.at == in.end ? value : NULL;
}

json *json_get(const json *object, const char *key) {
    if (!json_is_object(object)) return NULL;
    for (size_t index = object->count; index > 0; index--) {
        if (same(object->keys[index - 1], key)) return object->values[index - 1];
    }
    return NULL;
}

size_t json_count(const json *list) { return list ? list->count : 0; }
json *json_at(const json *list, size_t index) { return index < json_count(list) ? list->values[index] : NULL; }
bool json_is_list(const json *value) { return value && value->kind == JSON_LIST; }
bool json_is_object(const json *value) { return value && value->kind == JSON_OBJECT; }

plugin_string_t json_string(const json *value, const char *otherwise) {
    return value && value->kind == JSON_STRING ? copy(value->string) : text(otherwise);
}

double json_number(const json *value, double otherwise) {
    return value && value->kind == JSON_NUMBER ? value->number : otherwise;
}

bool json_bool(const json *value, bool otherwise) {
    return value && value->kind == JSON_BOOL ? value->yes : otherwise;
}

plugin_string_t json_source(const json *value) {
    return value ? from(value->begin, (size_t)(value->end - value->begin)) : text("null");
}

json *settings(void) {
    plugin_string_t given;
    agentd_host_entry_settings(&given);
    return json_read(given);
}

/* ---- errors and log ---- */

static void set(fault *error, uint8_t tag, plugin_string_t message) {
    *error = (fault){.tag = tag};
    error->val.invalid = message; /* every case but RATE_LIMITED holds text, in the same place */
}

bool fail(fault *error, uint8_t tag, const char *pattern, ...) {
    buffer out = {0};
    va_list arguments;
    va_start(arguments, pattern);
    add_all(&out, pattern, arguments);
    va_end(arguments);
    if (tag == AGENTD_TYPES_COMMON_ERROR_RATE_LIMITED) return fail_rate_limited(error, 0, finished(&out));
    set(error, tag, finished(&out));
    return false;
}

bool fail_rate_limited(fault *error, uint64_t retry_at, plugin_string_t message) {
    *error = (fault){.tag = AGENTD_TYPES_COMMON_ERROR_RATE_LIMITED};
    error->val.rate_limited.retry_at.is_some = retry_at > 0;
    error->val.rate_limited.retry_at.val = retry_at;
    error->val.rate_limited.message = message;
    return false;
}

bool fail_status(fault *error, uint16_t status, plugin_string_t url, plugin_string_t body) {
    size_t slashes = 0, origin = 0;
    while (origin < url.len && (url.ptr[origin] != '/' || ++slashes < 3)) origin++;
    buffer out = {0};
    if (origin) add_bytes(&out, url.ptr, origin);
    else add(&out, "the other end");
    add(&out, " answered %d", status);
    size_t shown = body.len < 160 ? body.len : 160;
    while (shown < body.len && shown && (body.ptr[shown] & 0xc0) == 0x80) shown--; /* no half of a character */
    if (shown) add(&out, " (%.*s)", (int)shown, (const char *)body.ptr);
    plugin_string_t said = finished(&out);
    uint8_t tag = AGENTD_TYPES_COMMON_ERROR_INVALID;
    if (status == 429) return fail_rate_limited(error, 0, said);
    if (status == 401 || status == 403) tag = AGENTD_TYPES_COMMON_ERROR_DENIED;
    if (status == 404 || status == 410) tag = AGENTD_TYPES_COMMON_ERROR_NOT_FOUND;
    if (status == 409) tag = AGENTD_TYPES_COMMON_ERROR_CONFLICT;
    if (status == 408 || status == 425 || status >= 500) tag = AGENTD_TYPES_COMMON_ERROR_UNAVAILABLE;
    set(error, tag, said);
    return false;
}

void say(uint8_t level, const char *pattern, ...) {
    buffer out = {0};
    va_list arguments;
    va_start(arguments, pattern);
    add_all(&out, pattern, arguments);
    va_end(arguments);
    plugin_string_t message = finished(&out);
    plugin_list_tuple2_string_string_t fields = {0};
    agentd_host_log_write(level, &message, &fields);
    free(message.ptr);
}
