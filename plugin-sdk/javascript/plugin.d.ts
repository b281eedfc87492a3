import './globals.js';
import type { Error as HostError } from 'agentd:types/common@1.0.0';
import type { Problem } from 'agentd:plugin/manifest@1.0.0';

/** Wraps the functions of an interface: `export const notifier: Notifier = exported({ notify(message) { … } })`. */
export function exported<T extends object>(functions: T): T;

/** The settings of the entry that the call is made for, defaults filled in. */
export function settings<T = any>(): T;

/** Settings as `describe` and `check` get them: perhaps incomplete, and `{}` where the text is no object at all. */
export function parse<T = any>(text: string): Partial<T>;

/** An error with a case of the contract; made by `fail`. */
export class Failure extends Error {
  readonly tag: HostError['tag'];
  readonly val: unknown;
}

/** Makes errors: `throw fail.invalid('…')`. */
export const fail: {
  invalid(text: string): Failure;
  denied(text: string): Failure;
  notFound(text: string): Failure;
  conflict(text: string): Failure;
  unsupported(text: string): Failure;
  tooLarge(text: string): Failure;
  unavailable(text: string): Failure;
  other(text: string): Failure;
  rateLimited(text: string, retryAt?: number): Failure;
};

/** The case and the text of an error that a host function threw; else undefined. */
export function hostError(error: unknown): HostError | undefined;

/** Something that is wrong in the settings: `problem('/url', 'is no address')`. */
export function problem(pointer: string, message: string): Problem;

/** A value of `extra` by its key, or undefined. */
export function extra(record: { extra: [string, string][] }, key: string): string | undefined;
