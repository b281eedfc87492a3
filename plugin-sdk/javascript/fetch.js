/**
 * fetch over `agentd:host/http`: import it in plugins whose world has that interface.
 *
 *     import { fetch } from './sdk/fetch.js';
 *     const response = fetch('https://api.example.org/issues', { credential: 'tracker' });
 *     if (!response.ok) throw response.failure();
 *     const issues = response.json();
 *
 * It answers at once, and so do `json()` and `text()`: a plugin has no event loop, so write no `await`. The host adds
 * the credential, which is only named here. Redirects are not followed: you get the 3xx. The host's refusals are thrown
 * as they are; not catching them hands them on.
 *
 * - No streams, no AbortSignal, no FormData, no cookies, no cache: `timeout` (milliseconds) takes the signal's place.
 */
import { send } from 'agentd:host/http@1.0.0';
import { TextDecoder, TextEncoder } from './encoding.js';
import { Headers } from './headers.js';
import { Failure } from './plugin.js';
import { URL, URLSearchParams } from './url.js';

export { Headers };

/** The body of a request or an answer: text or bytes. */
class Body {
  #content;
  #used = false;

  constructor(content) {
    this.#content = content;
  }

  get bodyUsed() {
    return this.#used;
  }

  content() {
    return this.#content;
  }

  text() {
    const content = this.#take();
    return content.tag === 'text' ? content.val : new TextDecoder().decode(content.val);
  }

  json() {
    return JSON.parse(this.text());
  }

  bytes() {
    const content = this.#take();
    return content.tag === 'text' ? new TextEncoder().encode(content.val) : Uint8Array.from(content.val);
  }

  arrayBuffer() {
    return this.bytes().buffer;
  }

  #take() {
    if (this.#used) throw new TypeError('the body was read already');
    this.#used = true;
    return this.#content;
  }
}

export class Request extends Body {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : undefined;
    const [content, type] = init.body === undefined || init.body === null
      ? [from?.content() ?? { tag: 'text', val: '' }, undefined]
      : contentOf(init.body);
    super(content);
    const given = (name) => init[name] ?? from?.[name];
    // Where the credential is the whole address, the request's own is empty.
    this.url = from?.url ?? (String(input) === '' ? '' : new URL(input).href);
    this.method = methodOf(given('method') ?? 'GET');
    this.headers = new Headers(init.headers ?? from?.headers ?? {});
    this.credential = given('credential');
    this.timeout = given('timeout');
    this.idempotencyKey = given('idempotencyKey');
    const empty = content.val.length === 0;
    if (!empty && (this.method === 'GET' || this.method === 'HEAD')) throw new TypeError(`${this.method} has no body`);
    if (type && !this.headers.has('content-type')) this.headers.set('content-type', type);
  }

  clone() {
    return new Request(this);
  }
}

export class Response extends Body {
  constructor(body = '', { status = 200, headers = {}, url = '' } = {}) {
    super(body === null ? { tag: 'text', val: '' } : body?.tag ? body : contentOf(body)[0]);
    this.status = status;
    this.headers = new Headers(headers);
    this.url = url;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  get redirected() {
    return false;
  }

  clone() {
    const { status, headers, url } = this;
    return new Response(this.content(), { status, headers, url });
  }

  /**
   * The answer as an error whose case says whether trying again makes sense. Its text shows the beginning of the body,
   * and of the address only where it goes.
   */
  failure(now = Date.now()) {
    const origin = this.url === '' ? 'the other end' : new URL(this.url).origin;
    const shown = this.clone().text().replace(/[\0-\x1f\s]+/g, ' ').trim();
    const text = `${origin} answered ${this.status}${shown && ` (${shown.slice(0, 160)}${shown.length > 160 ? '…' : ''})`}`;
    if (this.status === 429) {
      const seconds = Number.parseInt(this.headers.get('retry-after') ?? '', 10);
      const retryAt = Number.isSafeInteger(seconds) && seconds >= 0 ? now + seconds * 1_000 : undefined;
      return new Failure('rate-limited', { retryAt, message: text, extra: [] });
    }
    if (this.status === 401 || this.status === 403) return new Failure('denied', text);
    if (this.status === 404 || this.status === 410) return new Failure('not-found', text);
    if (this.status === 409) return new Failure('conflict', text);
    if (this.status === 408 || this.status === 425 || this.status >= 500) return new Failure('unavailable', text);
    return new Failure('invalid', text);
  }
}

/** Sends a request and waits for the whole answer. Beside the usual options: credential, timeout, idempotencyKey. */
export function fetch(input, init = {}) {
  const request = new Request(input, init);
  const { status, headers, body } = send({
    method: request.method,
    url: request.url,
    headers: [...request.headers],
    body: request.content(),
    credential: request.credential,
    timeoutMs: request.timeout,
    extra: request.idempotencyKey === undefined ? [] : [['idempotency-key', request.idempotencyKey]],
  });
  return new Response(body, { status, headers, url: request.url });
}

Object.assign(globalThis, { fetch, Headers, Request, Response });

function methodOf(name) {
  const upper = String(name).toUpperCase();
  return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : String(name);
}

function contentOf(body) {
  if (body instanceof URLSearchParams) {
    return [{ tag: 'text', val: body.toString() }, 'application/x-www-form-urlencoded;charset=UTF-8'];
  }
  if (body instanceof ArrayBuffer) return [{ tag: 'bytes', val: new Uint8Array(body) }, undefined];
  if (ArrayBuffer.isView(body)) {
    return [{ tag: 'bytes', val: new Uint8Array(body.buffer, body.byteOffset, body.byteLength) }, undefined];
  }
  return [{ tag: 'text', val: String(body) }, 'text/plain;charset=UTF-8'];
}
