declare module 'agentd:host/log@1.0.0' {
  /**
   * Writes one line. `fields` are for searching (`repository`, `issue`). No grant needed; never fails. At most 8
   * KiB a line and 200 lines a call; what is over is cut and counted. Never log a secret (you hold none) or whole
   * texts.
   */
  export function write(level: Level, message: string, fields: Array<[string, string]>): void;
  /**
   * # Variants
   *
   * ## `"debug"`
   *
   * ## `"info"`
   *
   * ## `"warn"`
   *
   * ## `"error"`
   */
  export type Level = 'debug' | 'info' | 'warn' | 'error';
}
