/**
 * {{name}}: a program as an agent. It gets the prompt on its standard input, and writes a line of JSON for whatever it
 * does; any other line counts as something that it says.
 *
 *     {"type": "message", "text": "…"}        {"type": "tool", "id": "1", "name": "edit", "input": {…}}
 *     {"type": "session", "id": "…"}          {"type": "result", "id": "1", "output": "…", "failed": false}
 *
 * One instance lives as long as the run does, and what it says depends on the run and the lines alone: after a restart
 * the host reads all lines again and must hear the same.
 */
import { exported, fail, parse, problem, settings } from './sdk/plugin.js';

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['argv'],
  properties: {
    argv: { type: 'array', items: { type: 'string' }, minItems: 1, description: 'The program and its arguments' },
  },
};

export const manifest = exported({
  describe: () => ({
    name: '{{name}}',
    version: '0.1.0',
    summary: 'Runs a program that speaks JSON lines as an agent',
    settingsSchema: JSON.stringify(schema),
    wants: [],
    extra: [],
  }),

  check(text) {
    const { argv } = parse(text);
    if (argv === undefined || (Array.isArray(argv) && String(argv[0] ?? '').trim())) return [];
    return [problem('/argv', 'names no program: ["my-agent", "--json"]')];
  },
});

let session;
let answer = '';
let errors = [];

export const agent = exported({
  needs() {
    const check = ['sh', '-c', 'command -v -- "$1"', 'sh', settings().argv[0]];
    return { tools: [], check, abilities: [], extra: [] };
  },

  launch(run) {
    [session, answer, errors] = [undefined, '', []];
    const env = [['AGENT_TASK', run.task.id], ['AGENT_PURPOSE', run.purpose]];
    if (run.model) env.push(['AGENT_MODEL', run.model]);
    const stdin = run.system ? `${run.system}\n\n${run.prompt}` : run.prompt;
    return { argv: settings().argv, env, files: [], stdin, keepStdin: false, sessionFiles: [], litter: [], extra: [] };
  },

  read: (lines) => ({ events: lines.flatMap(events), send: '', finished: false, extra: [] }),

  control({ verb }) {
    throw fail.unsupported(`this agent does not take \`${verb}\` while it runs`);
  },

  conclude({ code, cause, stderr }) {
    const ended = cause === 'exited' || cause === 'finished';
    const tag = !ended ? 'failed' : code !== 0 ? 'failed' : answer ? 'completed' : 'empty';
    const why = errors.join('\n') || stderr.trim() || `it ended with ${code ?? 'no exit code'} (${cause})`;
    return { outcome: { tag }, answer: tag === 'completed' ? answer : why, session, events: [], extra: [] };
  },
});

function events({ text, stderr }) {
  if (text.trim() === '') return [];
  if (stderr) {
    errors = [...errors.slice(-19), text];
    return [event('notice', { weight: 'info', code: 'stderr', text, extra: [] })];
  }
  const line = parse(text);
  switch (line.type) {
    case 'session':
      session = String(line.id);
      return [event('started', { session, extra: [] })];
    case 'tool': {
      const { id, name, input = {} } = line;
      return [event('tool-call', { id: String(id), name: String(name), input: JSON.stringify(input), extra: [] })];
    }
    case 'result': {
      const { id, output = '', failed = false } = line;
      return [event('tool-result', { id: String(id), failed: Boolean(failed), output: String(output), extra: [] })];
    }
    case 'message':
      answer = String(line.text);
      break;
    default:
      answer = text;
  }
  return [event('message', { text: answer, thinking: false, partial: false, extra: [] })];
}

const event = (tag, val) => ({ happening: { tag, val }, extra: [] });
