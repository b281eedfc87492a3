/**
 * What a plugin in JavaScript begins with: `exported` around each exported interface, `settings`, and the errors that
 * the host understands. Importing this file also puts in place what QuickJS lacks (see globals.js).
 *
 * - A plugin's functions are ordinary functions, never `async`: a component of this kind has no event loop.
 * - Throw `fail.…(text)` for what the host shall know; hand a host's own error on by not catching it. Anything else that
 *   is thrown ends the call, and its text and stack are in the plugin's log.
 */
import './globals.js';
import { runDueTimers, forgetTimers } from './timers.js';
import { settings as settingsText } from 'agentd:host/entry@1.0.0';

/**
 * Wraps the functions of an interface: errors reach the host as what they are, timers that are due run at the end, and
 * a function that was made `async` says so instead of failing strangely.
 */
export function exported(functions) {
  const wrapped = {};
  for (const [name, call] of Object.entries(functions)) {
    wrapped[name] = (...args) => {
      try {
        const answer = call.apply(functions, args);
        if (typeof answer?.then === 'function') {
          throw new TypeError(`\`${name}\` returned a promise: plugins have no event loop, so leave out async and await`);
        }
        runDueTimers();
        return answer;
      } catch (error) {
        throw error instanceof Failure ? { tag: error.tag, val: error.val } : error;
      } finally {
        forgetTimers();
      }
    };
  }
  return wrapped;
}

/** The settings of the entry that the call is made for, defaults filled in. */
export function settings() {
  return JSON.parse(settingsText());
}

/** Settings as `describe` and `check` get them: perhaps incomplete, and `{}` where the text is no object at all. */
export function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** An error with a case of the contract; made by `fail`. */
export class Failure extends Error {
  constructor(tag, val) {
    super(typeof val === 'string' ? val : val.message);
    this.name = 'Failure';
    this.tag = tag;
    this.val = val;
  }
}

/**
 * Makes errors: `throw fail.invalid('…')`. The case decides what the host does: `unavailable`, `rateLimited` and `other`
 * are tried again, the rest when something has changed.
 */
export const fail = {
  invalid: (text) => new Failure('invalid', text),
  denied: (text) => new Failure('denied', text),
  notFound: (text) => new Failure('not-found', text),
  conflict: (text) => new Failure('conflict', text),
  unsupported: (text) => new Failure('unsupported', text),
  tooLarge: (text) => new Failure('too-large', text),
  unavailable: (text) => new Failure('unavailable', text),
  other: (text) => new Failure('other', text),
  rateLimited: (text, retryAt) => new Failure('rate-limited', { retryAt, message: text, extra: [] }),
};

/** The case and the text of an error that a host function threw: `{ tag: 'denied', val: '…' }`; else undefined. */
export function hostError(error) {
  return typeof error?.payload?.tag === 'string' ? error.payload : undefined;
}

/** Something that is wrong in the settings: `problem('/url', 'is no address')`. */
export function problem(pointer, message) {
  return { pointer, message, extra: [] };
}

/** A value of `extra` by its key, or undefined. */
export function extra(record, key) {
  return record.extra.find(([name]) => name === key)?.[1];
}
