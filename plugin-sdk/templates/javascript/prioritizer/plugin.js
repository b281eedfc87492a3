/**
 * {{name}}: ranks tasks by what others wait for, by labels, and by how long they wait; what failed before goes back.
 *
 * A score is kept and compared with scores of other days. So it depends on its task alone, and waiting is counted from
 * a fixed day: one day is worth one point, whenever it is asked.
 */
import { exported, settings } from './sdk/plugin.js';

const DAY = 86_400_000;
const EPOCH = Date.UTC(2025, 0, 1);
const PRIORITY = { 1: 30, 2: 15, 3: 5, 4: 0 };

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    labels: {
      type: 'object',
      additionalProperties: { type: 'number' },
      default: { bug: 10, security: 40 },
      description: 'Points by label',
    },
    blocks: { type: 'number', default: 8, description: 'Points for each task that waits for this one' },
    failure: { type: 'number', default: 4, description: 'Points that each failed run takes off' },
  },
};

export const manifest = exported({
  describe: () => ({
    name: '{{name}}',
    version: '0.1.0',
    summary: 'Ranks tasks by what they block, their labels, and how long they wait',
    settingsSchema: JSON.stringify(schema),
    wants: [],
    extra: [],
  }),
  check: () => [],
});

export const prioritizer = exported({
  rank(batch) {
    const points = settings();
    return batch.candidates.map((candidate) => score(candidate, points));
  },
});

function score({ task, waitingSince, failures, blocks }, points) {
  const parts = [
    ...task.labels.map((label) => [`label ${label}`, points.labels[label] ?? 0]),
    [`priority ${task.priority}`, task.priority ? PRIORITY[task.priority] ?? PRIORITY[3] : 0],
    [`blocks ${blocks}`, blocks * points.blocks],
    [`failed ${failures} times`, -failures * points.failure],
  ].filter(([, value]) => value !== 0);
  const sum = parts.reduce((total, [, value]) => total + value, 0);
  const reason = parts.map(([name, value]) => `${name} ${value > 0 ? '+' : ''}${value}`).join(', ') || 'by waiting time';
  return { task: task.id, value: sum - (waitingSince - EPOCH) / DAY, reason, extra: [] };
}
