declare module 'agentd:host/entry@1.0.0' {
  /**
   * The entry's name in the configuration: `backlog`. Empty while `describe` and `check` run.
   */
  export function name(): string;
  /**
   * The entry's settings as JSON text: an object that fits the plugin's schema, defaults filled in. `{}` while
   * `describe` and `check` run. The same during the whole call.
   */
  export function settings(): string;
}
