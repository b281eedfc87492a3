/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:host/http@1.0.0' {
  /**
   * Sends it and waits for the whole answer. `denied`: no grant, or an address that is refused; `invalid`: a
   * request that cannot be sent; `unavailable`: no connection, no name, broken off, too slow; `too-large`.
   */
  export function send(request: Request): Response;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Content = import('agentd:types/common@1.0.0').Content;
  export type Error = import('agentd:types/common@1.0.0').Error;
  /**
   * What to ask.
   */
  export interface Request {
    /**
     * `GET`, `POST`, …
     */
    method: string,
    /**
     * Absolute, `https:` unless the grant says `http:`. No user or password in it. Empty where the credential is
     * a whole URL.
     */
    url: string,
    /**
     * Names in any case. `host`, `content-length`, `connection` and the like, and whatever a credential sets,
     * are the host's business: given here they are an `invalid`.
     */
    headers: Array<[string, string]>,
    /**
     * Empty: no body. At most 8 MiB.
     */
    body: Content,
    /**
     * The name of the credential to attach. None: no secret is used.
     */
    credential?: string,
    /**
     * For the whole exchange; none: 30,000. The host cuts it to what is left of the call's own time.
     */
    timeoutMs?: number,
    /**
     * Keys of 1.0: `idempotency-key` (sent as the header of that name; where the host signs the request, it is
     * the `webhook-id`).
     */
    extra: Extra,
  }
  /**
   * What came back.
   */
  export interface Response {
    /**
     * The status, whatever it is: 404 and 500 are answers, not errors.
     */
    status: number,
    /**
     * Names in lower case, repeated ones repeated; without `set-cookie`.
     */
    headers: Array<[string, string]>,
    /**
     * Decompressed. At most 8 MiB, else the call is a `too-large`.
     */
    body: Content,
    extra: Extra,
  }
}
