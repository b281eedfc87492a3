/**
 * {{name}}: a test that is switched off is work. Finds the marks that skip tests, in the languages that people test in.
 *
 * The key is made of the file and of the line's text, never of its number: a finding stays the same while it moves.
 */
import { exported, parse, problem, settings } from '../sdk/plugin.js';
import { search } from 'agentd:host/repository@1.0.0';
import type * as Manifest from 'agentd:plugin/manifest@1.0.0';
import type * as Analyzer from 'agentd:analyzer/analyzer@1.0.0';
import type { Hit } from 'agentd:host/repository@1.0.0';

interface Settings {
  marks: string[];
  globs: string[];
}

const MARKS = ['#[ignore', '@Disabled', '@Ignore', '@pytest.mark.skip', '@unittest.skip', 't.Skip(', 'it.skip(', 'test.skip(', 'describe.skip('];

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    marks: { type: 'array', items: { type: 'string' }, default: MARKS, description: 'What stands where a test is skipped' },
    globs: { type: 'array', items: { type: 'string' }, default: ['!vendor/**', '!node_modules/**'], description: 'Which files to search' },
  },
};

export const manifest: typeof Manifest = exported({
  describe: () => ({
    name: '{{name}}',
    version: '0.1.0',
    summary: 'Makes tasks of tests that are switched off',
    settingsSchema: JSON.stringify(schema),
    wants: [{ tag: 'repository', val: { why: 'to search it for tests that are skipped', extra: [] } }],
    extra: [],
  }),

  check(text) {
    const { marks = MARKS } = parse<Settings>(text);
    if (Array.isArray(marks) && marks.length > 0 && !marks.includes('')) return [];
    return [problem('/marks', 'names nothing to look for, or an empty text: ["it.skip("]')];
  },
});

export const analyzer: typeof Analyzer = exported({
  analyze({ repository, revision, limit }) {
    const { marks, globs } = settings<Settings>();
    const findings = new Map<string, Analyzer.Draft>();
    let hits = 0;
    let cursor: string | undefined;
    do {
      const page = search({
        tree: repository,
        revision,
        pattern: marks.map(escape).join('|'),
        literal: false,
        ignoreCase: false,
        wholeWords: false,
        globs,
        context: 3,
        cursor,
        limit: 1_000,
        extra: [],
      });
      hits += page.hits.length;
      for (const hit of page.hits) {
        const found = finding(hit);
        if (!findings.has(found.key)) findings.set(found.key, found);
      }
      cursor = page.next;
    } while (cursor && findings.size <= limit);

    const kept = [...findings.values()].slice(0, limit);
    const complete = !cursor && kept.length === findings.size;
    return { findings: kept, complete, summary: `${hits} skipped tests, ${kept.length} findings`, extra: [] };
  },
});

function finding({ path, line, text, before, after }: Hit): Analyzer.Draft {
  const mark = text.trim();
  const lines = [...before, text, ...after];
  return {
    key: `${path}: ${mark}`.slice(0, 200),
    title: `Switch the skipped test in ${path} on again`,
    body: `Line ${line} of \`${path}\` skips a test:\n\n${lines.map((it) => `    ${it}`).join('\n')}\n\n`
      + 'Find out why, repair what is broken, and remove the mark; or remove the test if it tests nothing any more.',
    labels: ['tests'],
    dependsOn: [],
    comments: [],
    locations: [{ path, line, endLine: line, extra: [] }],
    fields: [],
    extra: [],
  };
}

const escape = (text: string) => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
