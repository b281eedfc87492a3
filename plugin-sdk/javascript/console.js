/**
 * `console`, as lines in the plugin's log: debug, info (`log`), warn and error. The host cuts lines at 8 KiB, and takes
 * 200 lines a call.
 */
import { write } from 'agentd:host/log@1.0.0';

const counts = new Map();
const started = new Map();

const line = (level) => (...values) => write(level, format(values), []);

export const console = {
  debug: line('debug'),
  log: line('info'),
  info: line('info'),
  warn: line('warn'),
  error: line('error'),
  dir: (value) => line('info')(value),
  trace: (...values) => line('debug')(...values, new Error('trace').stack),
  assert(condition, ...values) {
    if (!condition) line('error')('Assertion failed:', ...values);
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    line('info')(`${label}: ${counts.get(label)}`);
  },
  time: (label = 'default') => started.set(label, Date.now()),
  timeEnd(label = 'default') {
    if (started.has(label)) line('info')(`${label}: ${Date.now() - started.get(label)} ms`);
    started.delete(label);
  },
};

/** Text for people: strings as they are, `%s %d %i %f %o %j` in the first one filled in, everything else inspected. */
export function format(values) {
  const [first, ...rest] = values;
  if (typeof first !== 'string') return values.map((value) => show(value)).join(' ');
  const filled = first.replace(/%([sdifoOj%])/g, (whole, kind) => {
    if (kind === '%') return '%';
    if (rest.length === 0) return whole;
    const value = rest.shift();
    if (kind === 's') return show(value);
    if (kind === 'd' || kind === 'f') return String(Number(value));
    if (kind === 'i') return String(Math.trunc(Number(value)));
    return inspect(value);
  });
  return [filled, ...rest.map((value) => show(value))].join(' ');
}

const show = (value) => (typeof value === 'string' ? value : inspect(value));

/** A value as one would write it, cut where it is deep or long. */
export function inspect(value, depth = 4, seen = []) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (seen.includes(value)) return '[circular]';
  if (value instanceof Error) return errorText(value, depth, seen);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (depth === 0) return Array.isArray(value) ? '[…]' : '{…}';
  const inner = (it) => inspect(it, depth - 1, [...seen, value]);
  const list = (items) => (items.length > 100 ? [...items.slice(0, 100), `… ${items.length - 100} more`] : items);
  if (value instanceof Map) {
    return `Map { ${list([...value].map(([key, it]) => `${inner(key)} => ${inner(it)}`)).join(', ')} }`;
  }
  if (value instanceof Set) return `Set { ${list([...value].map(inner)).join(', ')} }`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (Array.isArray(value)) return `[${list(value.map(inner)).join(', ')}]`;
  const fields = Object.entries(value).map(([key, it]) => `${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${inner(it)}`);
  return fields.length === 0 ? '{}' : `{ ${list(fields).join(', ')} }`;
}

function errorText(error, depth, seen) {
  const head = `${error.name}: ${error.message}`;
  const stack = (error.stack ?? '').trimEnd();
  const cause = error.cause === undefined ? '' : `\n  caused by ${inspect(error.cause, depth - 1, [...seen, error])}`;
  return (stack ? `${head}\n${stack}` : head) + cause;
}
