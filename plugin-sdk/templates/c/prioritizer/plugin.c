/* {{name}}: ranks tasks by what others wait for, by labels, and by how long they wait; what failed before goes back.
 *
 * A score is kept and compared with scores of other days. So it depends on its task alone, and waiting is counted from
 * a fixed day: one day is worth one point, whenever it is asked. */
#include "agentd.h"

#define DAY_MS 86400000.0
#define EPOCH_MS 1735689600000.0 /* 2025-01-01 */

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "\"labels\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"number\"},"
    " \"default\": {\"bug\": 10, \"security\": 40}, \"description\": \"Points by label\"},"
    "\"blocks\": {\"type\": \"number\", \"default\": 8, \"description\": \"Points for each task that waits for this one\"},"
    "\"failure\": {\"type\": \"number\", \"default\": 4, \"description\": \"Points that each failed run takes off\"}}}";

typedef exports_agentd_prioritizer_prioritizer_candidate_t candidate;
typedef exports_agentd_prioritizer_prioritizer_score_t score;

void exports_agentd_plugin_manifest_describe(plugin_string_t *given, exports_agentd_plugin_manifest_description_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_description_t){
        .name = text("{{name}}"),
        .version = text("0.1.0"),
        .summary = text("Ranks tasks by what they block, their labels, and how long they wait"),
        .settings_schema = text(SCHEMA),
    };
}

void exports_agentd_plugin_manifest_check(plugin_string_t *given, exports_agentd_plugin_manifest_list_problem_t *ret) {
    (void)given;
    *ret = (exports_agentd_plugin_manifest_list_problem_t){0};
}

/* Adds points to the sum, and says what for. */
static void count(double points, double *sum, buffer *reason, const char *what) {
    if (points == 0) return;
    *sum += points;
    add(reason, "%s%s %+.12g", reason->len ? ", " : "", what, points);
}

static double of_priority(uint32_t priority) {
    return priority == 1 ? 30 : priority == 2 ? 15 : priority == 4 ? 0 : 5;
}

static score score_of(const candidate *it, const json *points) {
    buffer reason = {0};
    double sum = 0;
    for (size_t index = 0; index < it->task.labels.len; index++) {
        const char *label = chars(it->task.labels.ptr[index]);
        double value = json_number(json_get(json_get(points, "labels"), label), 0);
        count(value, &sum, &reason, chars(format("label %s", label)));
    }
    if (it->task.priority.is_some) {
        uint32_t priority = it->task.priority.val;
        count(of_priority(priority), &sum, &reason, chars(format("priority %u", priority)));
    }
    double blocks = it->blocks * json_number(json_get(points, "blocks"), 8);
    double failures = it->failures * json_number(json_get(points, "failure"), 4);
    count(blocks, &sum, &reason, chars(format("blocks %u", it->blocks)));
    count(-failures, &sum, &reason, chars(format("failed %u times", it->failures)));
    if (!reason.len) add(&reason, "by waiting time");
    return (score){
        .task = copy(it->task.id),
        .value = sum - ((double)it->waiting_since - EPOCH_MS) / DAY_MS,
        .reason = finished(&reason),
    };
}

bool exports_agentd_prioritizer_prioritizer_rank(
    exports_agentd_prioritizer_prioritizer_batch_t *batch,
    exports_agentd_prioritizer_prioritizer_list_score_t *ret,
    fault *error
) {
    (void)error;
    const json *points = settings();
    ret->len = batch->candidates.len;
    ret->ptr = room(ret->len, sizeof *ret->ptr);
    for (size_t index = 0; index < ret->len; index++) {
        ret->ptr[index] = score_of(&batch->candidates.ptr[index], points);
    }
    return true;
}
