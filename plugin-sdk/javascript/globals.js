/**
 * Puts what QuickJS lacks where programs look for it: console, URL, URLSearchParams, TextEncoder, TextDecoder,
 * setTimeout and its company, crypto, structuredClone. `fetch` is a file of its own, because it needs the import
 * `agentd:host/http`, which not every plugin has.
 *
 * What is already there stays: a later QuickJS may know better.
 */
import { console } from './console.js';
import { crypto, random } from './crypto.js';
import { TextDecoder, TextEncoder } from './encoding.js';
import { structuredClone } from './clone.js';
import { clearInterval, clearTimeout, setInterval, setTimeout } from './timers.js';
import { URL, URLSearchParams } from './url.js';

const missing = {
  console, crypto, structuredClone, TextDecoder, TextEncoder, URL, URLSearchParams,
  clearInterval, clearTimeout, setInterval, setTimeout,
};
for (const [name, value] of Object.entries(missing)) {
  globalThis[name] ??= value;
}

// QuickJS seeds its generator when the component is built: every call would get the same numbers.
Math.random = random;
