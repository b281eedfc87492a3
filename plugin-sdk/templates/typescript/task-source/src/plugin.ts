/**
 * {{name}}: the open items of a tracker with a small JSON interface are work.
 *
 *     GET  URL?since=CURSOR  ->  [{"id": "7", "title": "…", "text": "…", "link": "https://…", "open": true,
 *                                  "labels": ["bug"], "changed": "2026-03-01T12:00:00Z"}, …]     oldest change first
 *     POST URL/7             <-  {"state": "in-review", "text": "…"}
 *
 * The cursor is the latest change that was seen. Closed items are withdrawn.
 */
import { exported, fail, parse, problem, settings } from '../sdk/plugin.js';
import { fetch } from '../sdk/fetch.js';
import type * as Manifest from 'agentd:plugin/manifest@1.0.0';
import type * as TaskSource from 'agentd:task-source/task-source@1.0.0';

interface Settings {
  url: string;
  credential: string;
  repository?: string;
}

/** What the tracker says of an item, as far as it keeps to its word. */
interface Item {
  id: string;
  title?: string;
  text?: string;
  link?: string;
  open?: boolean;
  labels?: unknown[];
  changed?: string;
}

const PAGE = 100;

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', description: 'The list of items: https://tracker.example.org/items' },
    credential: { type: 'string', default: 'tracker', description: 'The credential for the tracker: a bearer token' },
    repository: { type: 'string', description: 'The repository that the work is in; else the routes decide' },
  },
};

export const manifest: typeof Manifest = exported({
  describe(text) {
    const { url = '{url}', credential = 'tracker' } = parse<Settings>(text);
    const attach: Manifest.Credential = { name: String(credential), attach: { tag: 'bearer' }, extra: [] };
    const why = 'to read the items, and to write what becomes of them';
    return {
      name: '{{name}}',
      version: '0.1.0',
      summary: 'Makes tasks of the open items of a tracker',
      settingsSchema: JSON.stringify(schema),
      wants: [{ tag: 'http', val: { methods: ['GET', 'POST'], url: String(url), credential: attach, why, extra: [] } }],
      extra: [],
    };
  },

  check(text) {
    const { url } = parse<Settings>(text);
    if (url === undefined || (URL.canParse(url) && new URL(url).search === '')) return [];
    return [problem('/url', 'is no address without a query: https://tracker.example.org/items')];
  },
});

export const taskSource: typeof TaskSource = exported({
  poll({ cursor }) {
    const { url, credential, repository } = settings<Settings>();
    const address = new URL(url);
    if (cursor) address.searchParams.set('since', cursor);
    address.searchParams.set('limit', String(PAGE));
    const response = fetch(address, { credential });
    if (!response.ok) throw response.failure();
    const found = response.json<Item[]>();
    if (!Array.isArray(found)) throw fail.invalid(`${address.origin} answered with something that is no list`);

    const items: TaskSource.Item[] = [];
    let latest = cursor ?? '';
    for (const one of found) {
      if (typeof one?.id !== 'string' || one.id === '') {
        console.warn('skipped an item without id');
        continue;
      }
      items.push(one.open ? { tag: 'work', val: draft(one, repository) } : withdrawal(one));
      if (String(one.changed) > latest) latest = String(one.changed);
    }
    // A page that brings nothing later would be the same page again.
    const more = found.length === PAGE && latest !== cursor;
    return { items, complete: false, cursor: latest || undefined, more, extra: [] };
  },

  feedback: () => ({ remarks: [], cursor: undefined, more: false, extra: [] }),

  receive(): never {
    throw fail.unsupported('this source takes no webhooks');
  },

  report({ id, task, formerState, text, marker }) {
    if (text === undefined || text === null) {
      if (task.state === formerState) return [];
    }
    const { url, credential } = settings<Settings>();
    const response = fetch(`${url}/${encodeURIComponent(task.key)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state: task.state, text: text ? `${text}\n\n${marker}` : undefined }),
      credential,
      idempotencyKey: id,
    });
    if (!response.ok) throw response.failure();
    return [];
  },
});

function draft(item: Item, repository?: string): TaskSource.Draft {
  return {
    key: item.id,
    title: String(item.title ?? item.id),
    body: String(item.text ?? ''),
    url: item.link,
    subject: item.link,
    repository,
    labels: (item.labels ?? []).map(String),
    dependsOn: [],
    comments: [],
    locations: [],
    fields: [],
    extra: [],
  };
}

function withdrawal(item: Item): TaskSource.Item {
  return { tag: 'withdrawn', val: { key: item.id, reason: 'closed in the tracker', extra: [] } };
}
