import type { Failure } from './plugin.js';

export type HeadersInit = Headers | Record<string, string> | Iterable<readonly [string, string]>;
export type BodyInit = string | ArrayBuffer | ArrayBufferView | URLSearchParams;

export interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** The name of the credential that the host attaches. */
  credential?: string;
  /** Milliseconds for the whole exchange; 30,000 unless given. */
  timeout?: number;
  /** Sent as the header of that name; where the host signs the request, it is the `webhook-id`. */
  idempotencyKey?: string;
}

export class Headers implements Iterable<[string, string]> {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(call: (value: string, name: string, headers: Headers) => void, self?: unknown): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare class Body {
  readonly bodyUsed: boolean;
  text(): string;
  json<T = any>(): T;
  bytes(): Uint8Array;
  arrayBuffer(): ArrayBuffer;
}

export class Request extends Body {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly credential?: string;
  readonly timeout?: number;
  readonly idempotencyKey?: string;
  clone(): Request;
}

export class Response extends Body {
  constructor(body?: BodyInit | null, init?: { status?: number; headers?: HeadersInit; url?: string });
  readonly status: number;
  readonly ok: boolean;
  readonly redirected: false;
  readonly headers: Headers;
  readonly url: string;
  clone(): Response;
  /** The answer as an error whose case says whether trying again makes sense. */
  failure(now?: number): Failure;
}

/** Sends a request and waits for the whole answer: no promise, no `await`. */
export function fetch(input: string | URL | Request, init?: RequestInit): Response;
