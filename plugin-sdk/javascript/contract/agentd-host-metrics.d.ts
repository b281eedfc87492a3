declare module 'agentd:host/metrics@1.0.0' {
  /**
   * Adds to a counter. Names are lower-case words with underscores (`issues_skipped`), labels few and of few
   * values. At most 100 different ones an entry; the rest is dropped, with a warning in the plugin's log. Counts
   * even if the call fails.
   */
  export function add(name: string, labels: Array<[string, string]>, amount: number): void;
}
