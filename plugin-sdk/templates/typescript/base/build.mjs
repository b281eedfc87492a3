// Makes build/{{name}}.wasm of src/plugin.ts and what it imports. Types are replaced by blanks, and files keep their
// names: so lines and columns of a stack are those of the source, without a source map.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import amaro from 'amaro';

const tree = 'build/tree';
rmSync(tree, { recursive: true, force: true });
cpSync('sdk', join(tree, 'sdk'), { recursive: true });
for (const name of readdirSync('src', { recursive: true }).filter((it) => it.endsWith('.ts'))) {
  const to = join(tree, 'src', name);
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, amaro.transformSync(readFileSync(join('src', name), 'utf8'), { mode: 'strip-only' }).code);
}

const tool = join('node_modules', 'componentize-qjs', 'cli.mjs');
const options = ['--wit', 'wit', '-n', 'plugin', '--sync', '--module-root', tree, '--js', join(tree, 'src', 'plugin.ts')];
process.exit(spawnSync(process.execPath, [tool, ...options, '-o', 'build/{{name}}.wasm'], { stdio: 'inherit' }).status ?? 1);
