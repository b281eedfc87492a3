/**
 * Proves the shims where they have to work: inside QuickJS, in a component, through the host.
 *
 * This is the plugin.js of a project that `agentd plugin new shims --lang javascript --kind notifier` makes; with the
 * cases beside it, `agentd plugin build` and `agentd plugin test` run it. `notify` runs all checks and fails with the
 * list of what is wrong.
 */
import { Failure, exported, fail, hostError, parse } from './sdk/plugin.js';
import { Headers, Request, Response, fetch } from './sdk/fetch.js';

const early = Math.random(); // while the component is built, when there is no host

export const manifest = exported({
  describe: () => ({
    name: '{{name}}',
    version: '0.1.0',
    summary: 'Checks the shims of the SDK',
    settingsSchema: '',
    wants: [{ tag: 'http', val: { methods: [], url: 'https://example.org/', why: 'to be checked', extra: [] } }],
    extra: [],
  }),
  check: () => [],
});

export const notifier = exported({
  notify(message) {
    if (message.id === 'promise') return Promise.resolve([]);
    if (message.id === 'stack') return thrower();
    const wrong = [];
    for (const [name, test] of Object.entries(tests)) {
      try {
        test();
      } catch (error) {
        wrong.push(`${name}: ${error.message}`);
      }
    }
    if (wrong.length > 0) throw fail.other(wrong.join('; '));
    setTimeout((text) => console.info(text), 0, 'a timer that was due');
    setTimeout(() => console.info('a timer that never comes'), 60_000);
    return [];
  },
});

function thrower() {
  return undefined.nothing;
}

function same(got, expected) {
  const [one, other] = [got, expected].map((it) => JSON.stringify(it));
  if (one !== other) throw new Error(`${one} instead of ${other}`);
}

function throws(call, part) {
  try {
    call();
  } catch (error) {
    if (String(error.message).includes(part)) return;
    throw new Error(`threw ${JSON.stringify(error.message)}, which has no ${JSON.stringify(part)}`);
  }
  throw new Error(`threw nothing instead of ${JSON.stringify(part)}`);
}

const href = (text, base) => URL.parse(text, base)?.href ?? null;

const tests = {
  'URL reads addresses'() {
    same(href('HTTPS://User:p%40ss@Example.ORG:443/a/./b/../c d?q=ü#f g'), 'https://User:p%40ss@example.org/a/c%20d?q=%C3%BC#f%20g');
    same(href('http://0x7f.1/'), 'http://127.0.0.1/');
    same(href('http://[::1]:8080'), 'http://[::1]:8080/');
    same(href('../x?y', 'https://example.org/a/b/c?d'), 'https://example.org/a/x?y');
    same(href('//other.org/z', 'https://example.org/a'), 'https://other.org/z');
    same(href('\\\\other.org\\z', 'https://example.org/a'), 'https://other.org/z');
    same(href('mailto:ann@example.org'), 'mailto:ann@example.org');
    same(href('urn:a b'), 'urn:a b');
    for (const wrong of ['example.org', 'https://', 'https://a b/', 'https://1.2.3.4.5/', 'https://a:99999/', 'https://ü.de/']) {
      same([wrong, href(wrong)], [wrong, null]);
    }
  },

  'URL changes addresses'() {
    const url = new URL('https://example.org:8080/a?b=c#d');
    same([url.origin, url.host, url.pathname, url.search, url.hash], ['https://example.org:8080', 'example.org:8080', '/a', '?b=c', '#d']);
    url.searchParams.append('e', 'f&g ü');
    url.pathname = '/x y/../z';
    url.port = '443';
    url.hash = '';
    same(url.href, 'https://example.org/z?b=c&e=f%26g+%C3%BC');
    url.search = '?k=1';
    same([url.searchParams.get('k'), url.searchParams.size], ['1', 1]);
  },

  'URLSearchParams is a list of pairs'() {
    const params = new URLSearchParams('?a=1&b=%C3%BC+x&a=2&c&%ff=');
    same([...params], [['a', '1'], ['b', 'ü x'], ['a', '2'], ['c', ''], ['\ufffd', '']]);
    same([params.getAll('a'), params.get('z'), params.has('a', '2')], [['1', '2'], null, true]);
    params.set('a', '9');
    params.delete('b');
    params.sort();
    same(params.toString(), 'a=9&c=&%EF%BF%BD=');
    same(new URLSearchParams({ q: 'a b', p: '~*' }).toString(), 'q=a+b&p=%7E*');
  },

  'text becomes bytes and text again'() {
    const text = 'aü€😀\0';
    const bytes = new TextEncoder().encode(text);
    same([...bytes], [97, 195, 188, 226, 130, 172, 240, 159, 152, 128, 0]);
    same(new TextDecoder().decode(bytes), text);
    same([...new TextEncoder().encode('\ud800')], [239, 191, 189]);
    same(new TextEncoder().encodeInto('aü€', new Uint8Array(4)), { read: 2, written: 3 });
    same(new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 97, 0xed, 0xa0, 0x80, 0xf0, 0x9f)), 'a\ufffd\ufffd\ufffd\ufffd');
    throws(() => new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(0xc0, 0x80)), 'byte 0');
    throws(() => new TextDecoder('latin1'), 'utf-8');
    const stream = new TextDecoder();
    same(stream.decode(Uint8Array.of(0xe2, 0x82), { stream: true }) + stream.decode(Uint8Array.of(0xac)), '€');
    same([btoa('a\xff'), atob('Yf8=')], ['Yf8=', 'a\xff']);
  },

  'chance is chance'() {
    const uuids = [crypto.randomUUID(), crypto.randomUUID()];
    for (const uuid of uuids) same(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid), true);
    same(uuids[0] === uuids[1], false);
    const array = crypto.getRandomValues(new Uint32Array(64));
    same(new Set(array).size > 60, true);
    throws(() => crypto.getRandomValues(new Float64Array(1)), 'integers');
    throws(() => crypto.getRandomValues(new Uint8Array(65_537)), '65,536');
    const numbers = Array.from({ length: 100 }, Math.random);
    same(numbers.every((it) => it >= 0 && it < 1) && new Set(numbers).size === 100 && early >= 0, true);
  },

  'structuredClone copies'() {
    const value = { list: [1, { deep: new Date(5) }], map: new Map([['k', new Set([2])]]), bytes: Uint8Array.of(7), cause: new TypeError('t') };
    value.self = value;
    const copy = structuredClone(value);
    same([copy.list[1].deep.getTime(), copy.map.get('k').has(2), copy.bytes[0], copy.cause.message], [5, true, 7, 't']);
    same([copy.self === copy, copy.list === value.list, copy.cause instanceof TypeError], [true, false, true]);
    throws(() => structuredClone({ call() {} }), 'cannot be cloned');
  },

  'timers are set and cleared'() {
    clearTimeout(setTimeout(() => console.error('cleared, and came'), 0));
    throws(() => setInterval(() => {}, 1), 'setInterval');
  },

  'Headers know names in any case'() {
    const headers = new Headers({ 'X-One': ' a ', accept: 'b' });
    headers.append('x-one', 'c');
    same([headers.get('X-ONE'), [...headers]], ['a, c', [['accept', 'b'], ['x-one', 'a, c']]]);
    throws(() => headers.set('a b', ''), 'no header name');
    throws(() => headers.set('a', 'b\r\nc: d'), 'line break');
  },

  'requests have bodies of their kinds'() {
    const request = new Request('https://example.org', { method: 'post', body: new URLSearchParams({ a: 'b c' }) });
    same([request.method, request.url, request.text()], ['POST', 'https://example.org/', 'a=b+c']);
    same(request.headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
    throws(() => request.text(), 'read already');
    throws(() => new Request('https://example.org', { body: 'x' }), 'GET has no body');
    same(new Response('{"a":[1]}').json(), { a: [1] });
    same([...new Response(Uint8Array.of(1, 2)).bytes()], [1, 2]);
  },

  'fetch sends, and answers at once'() {
    const response = fetch('https://example.org/items', { method: 'POST', body: '{}', headers: { Accept: 'text/plain' }, timeout: 500 });
    same([response.status, response.ok, response.headers.get('ETag'), response.text()], [201, true, 'x', 'ü']);
    const refused = fetch(new URL('https://example.org/items?page=2'));
    const error = refused.failure(1_000);
    same([error instanceof Failure, error.tag, error.val.retryAt], [true, 'rate-limited', 3_000]);
    same(error.message, 'https://example.org answered 429 (not so fast)');
  },

  'an error of the host can be looked at'() {
    try {
      fetch('https://example.org/refused');
    } catch (error) {
      same(hostError(error), { tag: 'denied', val: 'not granted' });
      return;
    }
    throw new Error('nothing was thrown');
  },

  'settings that are none are empty'() {
    same([parse('{"a":1}'), parse('[1]'), parse('null'), parse('no')], [{ a: 1 }, {}, {}, {}]);
  },

  'console writes what people can read'() {
    console.log('%s has %d: %j', 'one', 2, { a: ['b'] }, new Map([[1, new Set()]]), null);
  },
};
