/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:host/mail@1.0.0' {
  /**
   * Hands it to the mail server. `denied`: no grant, or an address that is not allowed; `invalid`: an address or
   * text that cannot be sent, or the server refused it for good; `unavailable`: no server, or it refused for now.
   */
  export function send(message: Message): void;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  /**
   * A mail.
   */
  export interface Message {
    /**
     * The same in each repetition; the host sends what it has already sent under this id no second time, and
     * makes the `Message-ID` of it. 1 to 256 bytes.
     */
    id: string,
    /**
     * Addresses: `ann@example.org` or `Ann <ann@example.org>`. At least one, at most 100 with `cc`.
     */
    to: Array<string>,
    cc: Array<string>,
    /**
     * One line, at most 256 characters.
     */
    subject: string,
    /**
     * Plain text; always given. At most 1 MiB with `html`.
     */
    text: string,
    html?: string,
    /**
     * Messages with the same word here are shown as one conversation: a task's id.
     */
    conversation?: string,
    extra: Extra,
  }
}
