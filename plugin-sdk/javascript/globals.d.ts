/** What globals.js puts in place, as far as it is there: a plugin has no event loop, no streams, no files. */
declare global {
  var console: {
    debug(...values: unknown[]): void;
    log(...values: unknown[]): void;
    info(...values: unknown[]): void;
    warn(...values: unknown[]): void;
    error(...values: unknown[]): void;
    dir(value: unknown): void;
    trace(...values: unknown[]): void;
    assert(condition: unknown, ...values: unknown[]): void;
    count(label?: string): void;
    time(label?: string): void;
    timeEnd(label?: string): void;
  };
  var crypto: {
    getRandomValues<T extends ArrayBufferView>(array: T): T;
    randomUUID(): string;
  };
  function structuredClone<T>(value: T): T;
  function atob(text: string): string;
  function btoa(text: string): string;
  /** Runs when the exported function has returned, if its time has come by then; else never. */
  function setTimeout(call: (...args: any[]) => void, delay?: number, ...args: unknown[]): number;
  function clearTimeout(id: number): void;

  class TextEncoder {
    readonly encoding: 'utf-8';
    encode(text?: string): Uint8Array<ArrayBuffer>;
    encodeInto(text: string, target: Uint8Array): { read: number; written: number };
  }
  class TextDecoder {
    constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
    readonly encoding: 'utf-8';
    readonly fatal: boolean;
    readonly ignoreBOM: boolean;
    decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
  }
  class URL {
    constructor(text: string | URL, base?: string | URL);
    static canParse(text: string | URL, base?: string | URL): boolean;
    static parse(text: string | URL, base?: string | URL): URL | null;
    href: string;
    readonly origin: string;
    protocol: string;
    username: string;
    password: string;
    host: string;
    hostname: string;
    port: string;
    pathname: string;
    search: string;
    readonly searchParams: URLSearchParams;
    hash: string;
    toString(): string;
    toJSON(): string;
  }
  class URLSearchParams implements Iterable<[string, string]> {
    constructor(init?: string | Record<string, string> | Iterable<readonly [string, string]>);
    readonly size: number;
    append(name: string, value: string): void;
    delete(name: string, value?: string): void;
    get(name: string): string | null;
    getAll(name: string): string[];
    has(name: string, value?: string): boolean;
    set(name: string, value: string): void;
    sort(): void;
    forEach(call: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void;
    entries(): IterableIterator<[string, string]>;
    keys(): IterableIterator<string>;
    values(): IterableIterator<string>;
    [Symbol.iterator](): IterableIterator<[string, string]>;
    toString(): string;
  }
}

export {};
