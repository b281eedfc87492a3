declare module 'agentd:types/common@1.0.0' {
  /**
   * A point in time: milliseconds since 1970-01-01T00:00:00Z. Like every 64-bit number here it stays below 2^53,
   * so that JavaScript can hold it: as a number with componentize-qjs, as a BigInt with ComponentizeJS
   * (`Number(t)` does for both).
   */
  export type Timestamp = number;
  /**
   * Room for later versions, and for what one plugin wants to hand to another: names with values. Names that
   * contain no dot belong to agentd; yours start with your plugin's name and a dot (`linear.cycle`). A value is
   * plain text, or JSON where the key's documentation says so. No name twice. At most 64 pairs and 16 KiB in all;
   * the host drops what is over, with a warning in the plugin's log.
   */
  export type Extra = Array<[string, string]>;
  /**
   * Text, or other data. What the host gives is `text` whenever it is UTF-8, and `bytes` if not; what it gets may
   * be either. (So that text needs no decoding in languages that have no decoder at hand.)
   */
  export type Content = ContentText | ContentBytes;
  export interface ContentText {
    tag: 'text',
    val: string,
  }
  export interface ContentBytes {
    tag: 'bytes',
    val: Uint8Array,
  }
  /**
   * The other side asked for a pause.
   */
  export interface RateLimit {
    /**
     * The earliest moment to try again, where the other side named one.
     */
    retryAt?: Timestamp,
    /**
     * For the operator: who limited what.
     */
    message: string,
    extra: Extra,
  }
  /**
   * Why a call did not work. Host imports fail with it and plugin exports fail with it, so that a plugin can hand
   * on what the host told it. The text is for the operator: say what failed, on what, and what would help. It is
   * logged and shown; never put a secret or a whole document into it.
   *
   * The case decides what happens next. Unless a function says otherwise the host repeats a failed export call
   * after `unavailable`, `rate-limited` and `other` (5 s, 10 s, 20 s, then at the next regular time), and after
   * the other cases only when the plugin, its settings, its grants or the input have changed.
   */
  export type Error = ErrorInvalid | ErrorDenied | ErrorNotFound | ErrorConflict | ErrorUnsupported | ErrorTooLarge | ErrorRateLimited | ErrorUnavailable | ErrorOther;
  /**
   * What was given makes no sense: a setting, an argument, an answer that cannot be read.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * It is not allowed: the operator's grant is missing (the text then says what may be allowed), or the other side refused the credential.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * There is no such thing (any more).
   */
  export interface ErrorNotFound {
    tag: 'not-found',
    val: string,
  }
  /**
   * The other side has moved on, and what was asked no longer fits: taken, closed, changed by somebody else.
   */
  export interface ErrorConflict {
    tag: 'conflict',
    val: string,
  }
  /**
   * This plugin, or this host, does not do that.
   */
  export interface ErrorUnsupported {
    tag: 'unsupported',
    val: string,
  }
  /**
   * A documented limit was passed: ask for less.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * Too many requests.
   */
  export interface ErrorRateLimited {
    tag: 'rate-limited',
    val: RateLimit,
  }
  /**
   * Nothing is wrong with the request, it just did not work this time: network, time-out, 5xx.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * Anything else. Treated as `unavailable`, and counted against the plugin's health.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
}
