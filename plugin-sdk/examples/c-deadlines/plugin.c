/* deadlines: the nearer the day in a label `due:2026-04-01`, the sooner a task is worked on.
 *
 *     [prioritizer]
 *     plugin = "deadlines"
 *     settings = { prefix = "due:" }
 *
 * A score is kept until the task changes; here it is another one as the day comes near. So each score says until when
 * it holds (`valid-until`), and the host asks again then. */
#include "agentd.h"

#include <string.h>

#define DAY_MS 86400000LL

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "\"prefix\": {\"type\": \"string\", \"default\": \"due:\","
    " \"description\": \"What stands before the day in a label: due:2026-04-01\"}}}";

/* Points by the days that are left, the farthest first; the first step is for tasks whose day is far away. */
static const struct {
    int64_t days;
    double points;
} STEPS[] = {{INT64_MAX, 0}, {30, 10}, {14, 25}, {7, 50}, {2, 90}, {0, 150}};

enum { STEP_COUNT = sizeof STEPS / sizeof *STEPS };

typedef exports_agentd_prioritizer_prioritizer_candidate_t candidate;
typedef exports_agentd_prioritizer_prioritizer_score_t score;

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("deadlines"),
        .version = text("1.0.0"),
        .summary = text("Ranks tasks by the days that their labels name, then by priority and waiting time"),
        .settings_schema = text(SCHEMA),
    };
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
    if (json_string(json_get(json_read(*given), "prefix"), "due:").len) return;
    ret->ptr = room(1, sizeof *ret->ptr);
    ret->len = 1;
    ret->ptr[0].pointer = text("/prefix");
    ret->ptr[0].message = text("is empty: any label could be a day then");
}

/* Days since 1970 (Howard Hinnant's days_from_civil). */
static int64_t days_from(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

/* Two or four digits at a place; false: there are none. */
static bool digits(const char *at, int count, unsigned *number) {
    *number = 0;
    for (int index = 0; index < count; index++) {
        if (at[index] < '0' || at[index] > '9') return false;
        *number = *number * 10 + (unsigned)(at[index] - '0');
    }
    return true;
}

/* The end of the day that a label names, in milliseconds since 1970; false: it names none. */
static bool deadline(plugin_string_t label, const char *prefix, int64_t *end) {
    const char *words = chars(label), *at = words + strlen(prefix);
    unsigned year, month, day;
    if (strncmp(words, prefix, strlen(prefix)) != 0 || strlen(at) != 10 || at[4] != '-' || at[7] != '-') return false;
    if (!digits(at, 4, &year) || !digits(at + 5, 2, &month) || !digits(at + 8, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > 31) return false;
    *end = (days_from(year, month, day) + 1) * DAY_MS;
    return true;
}

static score score_of(const candidate *it, const char *prefix, int64_t now) {
    bool due = false;
    int64_t nearest = 0, end;
    for (size_t index = 0; index < it->task.labels.len; index++) {
        if (!deadline(it->task.labels.ptr[index], prefix, &end)) continue;
        if (!due || end < nearest) nearest = end;
        due = true;
    }
    double urgency = it->task.priority.is_some && it->task.priority.val < 3 ? 3.0 - it->task.priority.val : 0;
    score made = {
        .task = copy(it->task.id),
        /* A day of waiting is worth a hundredth of a point, counted from a fixed day: it only breaks ties. */
        .value = urgency - ((double)it->waiting_since / DAY_MS - 20089) / 100,
    };
    if (!due) {
        made.reason = text("no deadline");
        return made;
    }
    int step = 0;
    while (step + 1 < STEP_COUNT && nearest - now <= STEPS[step + 1].days * DAY_MS) step++;
    made.value += STEPS[step].points;
    if (step + 1 < STEP_COUNT) {
        made.valid_until.is_some = true;
        made.valid_until.val = (uint64_t)(nearest - STEPS[step + 1].days * DAY_MS);
    }
    int64_t left = (nearest - now) / DAY_MS;
    if (nearest <= now) made.reason = format("overdue +%g", STEPS[step].points);
    else made.reason = format("due in %lld days +%g", (long long)left, STEPS[step].points);
    return made;
}

bool exports_agentd_prioritizer_prioritizer_rank(
    exports_agentd_prioritizer_prioritizer_batch_t *batch,
    exports_agentd_prioritizer_prioritizer_list_score_t *ret,
    fault *error
) {
    (void)error;
    const char *prefix = chars(json_string(json_get(settings(), "prefix"), "due:"));
    ret->len = batch->candidates.len;
    ret->ptr = room(ret->len, sizeof *ret->ptr);
    for (size_t index = 0; index < ret->len; index++) {
        ret->ptr[index] = score_of(&batch->candidates.ptr[index], prefix, (int64_t)batch->now);
    }
    return true;
}
