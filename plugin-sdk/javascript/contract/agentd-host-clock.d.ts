/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:host/clock@1.0.0' {
  /**
   * The present time.
   */
  export function now(): Timestamp;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
}
