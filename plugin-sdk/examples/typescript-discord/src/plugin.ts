/**
 * discord: tells in a Discord channel what happens, one coloured card for each event, and mentions a role where somebody
 * is needed now.
 *
 *     [notifiers.team]
 *     plugin = "discord"
 *     settings = { role = "123456789012345678" }
 *
 *     [credentials.discord]
 *     url = "${DISCORD_WEBHOOK_URL}"
 *
 * Nothing that others wrote can mention anybody: `allowed_mentions` names the one role, and nothing else.
 */
import { exported, parse, problem, settings } from '../sdk/plugin.js';
import { fetch } from '../sdk/fetch.js';
import type * as Manifest from 'agentd:plugin/manifest@1.0.0';
import type * as Notifier from 'agentd:notifier/notifier@1.0.0';

interface Settings {
  credential: string;
  role?: string;
}

/** Discord's limits. */
const MOST = { cards: 10, title: 256, text: 1_000, fields: 25 };
const COLOURS: Record<Notifier.Severity, number> = { info: 0x4f8ad9, warning: 0xe0a030, urgent: 0xd04040 };

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    credential: { type: 'string', default: 'discord', description: 'The credential that holds the webhook\'s address, as `url`' },
    role: { type: 'string', description: 'The id of the role to mention when somebody is needed now' },
  },
};

export const manifest: typeof Manifest = exported({
  describe(text) {
    const { credential = 'discord' } = parse<Settings>(text);
    const attach: Manifest.Credential = { name: String(credential), attach: { tag: 'url' }, extra: [] };
    const why = 'to post into the channel of the webhook';
    return {
      name: 'discord',
      version: '1.0.0',
      summary: 'Tells in a Discord channel what happens',
      settingsSchema: JSON.stringify(schema),
      wants: [{ tag: 'http', val: { methods: ['POST'], url: '', credential: attach, why, extra: [] } }],
      extra: [],
    };
  },

  check(text) {
    const { role } = parse<Settings>(text);
    if (role === undefined || /^[0-9]{17,20}$/.test(role)) return [];
    return [problem('/role', 'is no id of a role: switch on the developer mode of Discord, and copy it from the role')];
  },
});

export const notifier: typeof Notifier = exported({
  notify(message) {
    const { credential, role } = settings<Settings>();
    const cards = message.events.map(card);
    const urgent = message.events.some(({ severity }) => severity === 'urgent');
    for (let first = 0; first < cards.length; first += MOST.cards) {
      const mention = urgent && role && first === 0 ? role : undefined;
      const response = fetch('', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          content: mention ? `<@&${mention}>` : undefined,
          allowed_mentions: { parse: [], roles: mention ? [mention] : [] },
          embeds: cards.slice(first, first + MOST.cards),
        }),
        credential,
        idempotencyKey: `${message.id}-${first / MOST.cards}`,
      });
      if (!response.ok) throw response.failure();
    }
    return [];
  },
});

function card(event: Notifier.Event) {
  const { task } = event;
  const fields = task ? [field('Task', task.id), field('State', task.state), field('Repository', task.repository)] : [];
  if (task?.spentMicrousd) fields.push(field('Spent', `$${(task.spentMicrousd / 1_000_000).toFixed(2)}`));
  return {
    title: cut(event.title, MOST.title),
    description: event.text ? cut(event.text, MOST.text) : undefined,
    url: task?.change?.url ?? task?.url ?? event.url ?? undefined,
    color: COLOURS[event.severity],
    timestamp: new Date(event.at).toISOString(),
    fields: fields.slice(0, MOST.fields),
  };
}

const field = (name: string, value: string) => ({ name, value, inline: true });

/** By characters, so that none is cut in half. */
function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
