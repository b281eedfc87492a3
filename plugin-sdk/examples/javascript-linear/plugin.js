/**
 * linear-issues: the issues of a Linear team that carry a label are work. Tells in comments there what becomes of them.
 *
 *     [sources.linear]
 *     plugin = "linear-issues"
 *     settings = { team = "ENG", label = "agentd" }
 *
 *     [credentials.linear]
 *     header = { name = "authorization", value = "${LINEAR_API_KEY}" }
 *
 * Linear lists what changed last first. So a round of polls walks from the newest page to the oldest new one, and only
 * its end moves the mark: the cursor holds the mark, the page, and what the mark will be.
 */
import { exported, fail, parse, problem, settings } from './sdk/plugin.js';
import { fetch } from './sdk/fetch.js';

const URL_OF_API = 'https://api.linear.app/graphql';
const PRIORITIES = [undefined, 1, 2, 3, 4]; // Linear's 0 is "none", the rest are the contract's

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['team'],
  properties: {
    team: { type: 'string', description: 'The key of the team: ENG' },
    label: { type: 'string', default: 'agentd', description: 'Issues with this label are work' },
    repository: { type: 'string', description: 'The repository that the work is in; else the routes decide' },
    credential: { type: 'string', default: 'linear', description: 'The credential with the API key' },
  },
};

const ISSUES = `query ($filter: IssueFilter, $after: String) {
  issues(filter: $filter, orderBy: updatedAt, first: 50, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      identifier title description url priority createdAt updatedAt
      state { name type } team { key } project { name } labels { nodes { name } }
      creator { id displayName } assignee { id displayName }
    }
  }
}`;

const COMMENT = `mutation ($id: String!, $issue: String!, $body: String!) {
  commentCreate(input: { id: $id, issueId: $issue, body: $body }) { success }
}`;

export const manifest = exported({
  describe(text) {
    const { credential = 'linear' } = parse(text);
    const attach = { name: String(credential), attach: { tag: 'header', val: 'authorization' }, extra: [] };
    const why = 'to read the issues of the team, and to comment on them';
    return {
      name: 'linear-issues',
      version: '1.0.0',
      summary: 'Makes tasks of the labelled issues of a Linear team',
      settingsSchema: JSON.stringify(schema),
      wants: [{ tag: 'http', val: { methods: ['POST'], url: URL_OF_API, credential: attach, why, extra: [] } }],
      extra: [],
    };
  },

  check(text) {
    const { team } = parse(text);
    if (team === undefined || /^[A-Z][A-Z0-9]*$/.test(team)) return [];
    return [problem('/team', 'is no team key: it stands before the number of each of its issues, as ENG in ENG-42')];
  },
});

export const taskSource = exported({
  poll({ cursor }) {
    const its = settings();
    const { mark = null, after = null, next = null } = parse(cursor ?? '');
    const filter = {
      team: { key: { eq: its.team } },
      // Without a mark only what is open counts; later, what was closed since has to be withdrawn.
      ...(mark ? { updatedAt: { gt: mark } } : { state: { type: { nin: ['completed', 'canceled'] } } }),
    };
    const { nodes, pageInfo } = ask(its, ISSUES, { filter, after }).issues;
    const newest = next ?? nodes[0]?.updatedAt ?? mark;
    const onward = pageInfo.hasNextPage
      ? { mark, after: pageInfo.endCursor, next: newest }
      : { mark: newest };
    const items = nodes.map((issue) => item(issue, its));
    return { items, complete: false, cursor: JSON.stringify(onward), more: pageInfo.hasNextPage, extra: [] };
  },

  feedback: () => ({ remarks: [], more: false, extra: [] }),

  receive() {
    throw fail.unsupported('this source polls, and takes no webhooks');
  },

  report({ id, task, text, marker }) {
    if (!text) return [];
    try {
      // The update's id becomes the comment's: said twice, it is there once.
      ask(settings(), COMMENT, { id, issue: task.key, body: `${text}\n\n${marker}` });
    } catch (error) {
      if (!/already exists|duplicate/i.test(error.message)) throw error;
    }
    return [];
  },
});

/** Asks Linear; an answer with errors is an error. */
function ask({ credential }, query, variables) {
  const response = fetch(URL_OF_API, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    credential,
  });
  if (!response.ok) throw response.failure();
  const { data, errors } = response.json() ?? {};
  if (!errors?.length && data) return data;
  if (!errors?.length) throw fail.invalid('Linear answered with neither data nor errors');
  const { message, extensions } = errors[0];
  if (extensions?.code === 'RATELIMITED') throw fail.rateLimited(`Linear: ${message}`);
  if (extensions?.type === 'authentication error') throw fail.denied(`Linear: ${message}`);
  throw fail.invalid(`Linear: ${message}`);
}

function item(issue, { label, repository }) {
  const labels = issue.labels.nodes.map(({ name }) => name);
  const withdrawn = (reason) => ({ tag: 'withdrawn', val: { key: issue.identifier, reason, extra: [] } });
  if (['completed', 'canceled'].includes(issue.state.type)) return withdrawn(`is ${issue.state.name} in Linear`);
  if (!labels.includes(label)) return withdrawn(`does not have the label ${label}`);
  return {
    tag: 'work',
    val: {
      key: issue.identifier,
      title: issue.title,
      body: issue.description ?? '',
      url: issue.url,
      subject: issue.url,
      repository,
      author: issue.creator ? person(issue.creator) : undefined,
      labels,
      priority: PRIORITIES[issue.priority],
      dependsOn: [],
      comments: [],
      locations: [],
      fields: [['team', issue.team.key], ...(issue.project ? [['project', issue.project.name]] : [])],
      createdAt: Date.parse(issue.createdAt),
      extra: [],
    },
  };
}

const person = ({ id, displayName }) => ({ login: id, name: displayName, bot: false, extra: [] });
