/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:host/kv@1.0.0' {
  /**
   * The value, or none if there is no such key.
   */
  export function get(key: string): string | undefined;
  /**
   * Writes the value, over an older one if there is one.
   */
  export function set(key: string, value: string): void;
  /**
   * Forgets the key; fine if there is none.
   */
  export function remove(key: string): void;
  /**
   * The keys that begin with `prefix`, in byte order, from the first after `after`; at most 1,000.
   */
  export function keys(prefix: string, after: string | undefined): Array<string>;
  export type Error = import('agentd:types/common@1.0.0').Error;
}
