/**
 * {{name}}: posts what happens into a chat channel, through an incoming webhook that takes `{"text": "…"}` (Slack,
 * Mattermost, Rocket.Chat and others do). The webhook's address is a credential: the host knows it, this file does not.
 */
import { exported, parse, problem, settings } from './sdk/plugin.js';
import { fetch } from './sdk/fetch.js';

const SEVERITIES = ['info', 'warning', 'urgent'];
const ICONS = { info: '·', warning: '⚠', urgent: '🚨' };

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    credential: { type: 'string', default: 'chat', description: 'The credential that holds the webhook\'s address, as `url`' },
    least: { type: 'string', enum: SEVERITIES, default: 'info', description: 'What is less severe than this is not told' },
  },
};

export const manifest = exported({
  describe(text) {
    const { credential = 'chat' } = parse(text);
    const attach = { name: String(credential), attach: { tag: 'url' }, extra: [] };
    const why = 'to post into the channel of the incoming webhook';
    return {
      name: '{{name}}',
      version: '0.1.0',
      summary: 'Posts what happens into a chat channel',
      settingsSchema: JSON.stringify(schema),
      wants: [{ tag: 'http', val: { methods: ['POST'], url: '', credential: attach, why, extra: [] } }],
      extra: [],
    };
  },

  check(text) {
    const { credential = 'chat' } = parse(text);
    if (/^[\w.-]+$/.test(credential)) return [];
    return [problem('/credential', 'is no name of a credential; its address belongs into [credentials], as `url`')];
  },
});

export const notifier = exported({
  notify(message) {
    const { credential, least } = settings();
    const events = message.events.filter((event) => SEVERITIES.indexOf(event.severity) >= SEVERITIES.indexOf(least));
    if (events.length === 0) return [];
    const response = fetch('', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: events.map(line).join('\n') }),
      credential,
      idempotencyKey: message.id,
    });
    if (!response.ok) throw response.failure();
    return [];
  },
});

function line(event) {
  // Titles hold words of others: without these characters nothing in them can mention or link.
  const title = event.title.replace(/[<>@&*_~`[\]]/g, ' ').replace(/\s+/g, ' ').trim();
  return `${ICONS[event.severity]} ${title}${event.url ? ` ${event.url}` : ''}`;
}
