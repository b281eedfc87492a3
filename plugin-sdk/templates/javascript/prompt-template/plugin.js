/**
 * {{name}}: says in few words what is to be done. The rules of the settings go into the system prompt; what other
 * people wrote is quoted, never repeated in words of its own.
 */
import { exported, fail, parse, problem, settings } from './sdk/plugin.js';

const TASKS = {
  execute: 'Do what the task below asks for.',
  feedback: 'People have looked at your change. Deal with everything that they say below.',
  retry: 'Checks failed on your change. Make them pass; do not weaken them.',
  fallback: 'Earlier tries failed. Find the simplest change that does what the task asks for, and do only that.',
  'ci-fix': 'Checks of the forge fail on your change. Make them pass; do not weaken them.',
  rebase: 'Your branch conflicts with its base. Merge the base, and keep what both sides meant.',
  plan: 'Do not change anything. Say how you would do what the task below asks for, step by step.',
};

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    rules: {
      type: 'array',
      items: { type: 'string' },
      default: ['Keep the change as small as the task allows.', 'Add or change a test for what you change.'],
      description: 'What always holds; goes into the system prompt',
    },
  },
};

export const manifest = exported({
  describe: () => ({
    name: '{{name}}',
    version: '0.1.0',
    summary: 'Prompts in few words, with rules of your own',
    settingsSchema: JSON.stringify(schema),
    wants: [],
    extra: [],
  }),

  check(text) {
    const { rules = [] } = parse(text);
    if (!Array.isArray(rules)) return [problem('/rules', 'is no list')];
    return rules.flatMap((rule, index) => (String(rule).trim() ? [] : [problem(`/rules/${index}`, 'is empty')]));
  },
});

export const promptTemplate = exported({
  render(request) {
    const task = TASKS[request.purpose];
    if (!task) throw fail.unsupported(`no words for the purpose ${request.purpose}`);
    const { rules } = settings();
    const parts = [text(`${task}\n\nYou work in ${request.workspace}, on the branch ${request.branch} from ${request.base}.`)];
    if (!request.resumed) {
      parts.push(quote('title', request.task.title), quote('task', request.body));
      parts.push(...request.comments.map((it) => quote('comment', it.body, it.author)));
    }
    parts.push(...request.feedback.map((it) => quote(place(it), it.body, it.author)));
    parts.push(...request.failures.map((it) => quote(`output of ${it.name}${it.repeated ? ', as before' : ''}`, it.output)));
    if (request.instructions) parts.push(text(request.instructions));
    if (request.gates.length > 0) parts.push(text(`These have to pass:\n${request.gates.map((it) => `- ${it}`).join('\n')}`));
    const said = parts.filter((part) => part.tag === 'text' || part.val.text !== '');
    return { system: rules.length > 0 ? rules.join('\n') : undefined, parts: said, extra: [] };
  },
});

const text = (words) => ({ tag: 'text', val: words });
const quote = (label, words, author) => ({ tag: 'quote', val: { label, author, text: words, extra: [] } });
const place = ({ location }) => (location ? `review comment on ${location.path}:${location.line}` : 'comment');
