/**
 * URL and URLSearchParams as the URL Standard describes them, for what plugins meet: `http`, `https`, `ws`, `wss` and
 * `ftp` are read in full (relative addresses, dots, ports, percent-encoding, IPv4 in all its spellings); any other
 * scheme keeps its path as it is.
 *
 * Host names must be ASCII: there is no table for international ones, so write them as `xn--…`. IPv6 addresses stay as
 * they are written, but for their case.
 */
import { TextDecoder } from './encoding.js';

const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21' };

// What each part of an address encodes, beside controls and everything beyond ASCII.
const USER = /["#<>?`{}/:;=@[\\\]^| ]/;
const PATH = /["#<>?^`{} ]/;
const QUERY = /["#<> ']/;
const OPAQUE_QUERY = /["#<> ]/;
const FRAGMENT = /["<>` ]/;
const NOTHING = /^$/;

// What no host name may hold.
const FORBIDDEN = /[\0\t\n\r #/:<>?@[\\\]^|]/;

export class URL {
  #scheme = '';
  #user = '';
  #password = '';
  #host = null;
  #port = '';
  #path = '';
  #query = null;
  #fragment = null;
  #params = new URLSearchParams();

  constructor(text, base = undefined) {
    this.#read(String(text), base === undefined ? undefined : new URL(base));
    this.#shareParams();
  }

  static canParse(text, base = undefined) {
    return URL.parse(text, base) !== null;
  }

  static parse(text, base = undefined) {
    try {
      return new URL(text, base);
    } catch {
      return null;
    }
  }

  get href() {
    const user = this.#user + (this.#password && `:${this.#password}`) + (this.#user || this.#password ? '@' : '');
    const place = this.#host === null ? '' : `//${user}${this.host}`;
    // A path that began with two slashes would read as a host.
    const path = this.#host === null && this.#path.startsWith('//') ? `/.${this.#path}` : this.#path;
    return this.#scheme + place + path + (this.#query === null ? '' : `?${this.#query}`)
      + (this.#fragment === null ? '' : `#${this.#fragment}`);
  }

  set href(text) {
    this.#read(String(text), undefined);
    this.#shareParams();
  }

  get origin() {
    return this.#scheme in PORTS ? `${this.#scheme}//${this.host}` : 'null';
  }

  get protocol() {
    return this.#scheme;
  }

  set protocol(text) {
    const scheme = `${String(text).replace(/:.*$/s, '').toLowerCase()}:`;
    if (!/^[a-z][a-z0-9+.-]*:$/.test(scheme) || scheme in PORTS !== this.#scheme in PORTS) return;
    this.#scheme = scheme;
    if (this.#port === PORTS[scheme]) this.#port = '';
  }

  get username() {
    return this.#user;
  }

  set username(text) {
    if (this.#host) this.#user = encode(String(text), USER);
  }

  get password() {
    return this.#password;
  }

  set password(text) {
    if (this.#host) this.#password = encode(String(text), USER);
  }

  get host() {
    return (this.#host ?? '') + (this.#port && `:${this.#port}`);
  }

  set host(text) {
    if (this.#host === null) return;
    const [host, port] = splitPort(String(text).replace(/[/?#].*$/s, ''));
    if (host === '' && this.#scheme in PORTS) return;
    this.hostname = host;
    if (port) this.port = port;
  }

  get hostname() {
    return this.#host ?? '';
  }

  set hostname(text) {
    if (this.#host === null) return;
    try {
      this.#host = hostOf(String(text), this.#scheme in PORTS);
    } catch {
      // What is no host changes nothing: so the standard.
    }
  }

  get port() {
    return this.#port;
  }

  set port(text) {
    const digits = /^[0-9]*/.exec(String(text))[0];
    if (this.#host && (String(text) === '' || digits !== '') && Number(digits) < 65_536) {
      this.#port = digits === '' || String(Number(digits)) === PORTS[this.#scheme] ? '' : String(Number(digits));
    }
  }

  get pathname() {
    return this.#path;
  }

  set pathname(text) {
    if (this.#host === null && !this.#path.startsWith('/')) return;
    this.#path = this.#resolve(encode(String(text).replace(/^[^/\\]/, '/$&'), PATH), '');
  }

  get search() {
    return this.#query ? `?${this.#query}` : '';
  }

  set search(text) {
    this.#query = text === '' ? null : encode(String(text).replace(/^\?/, ''), this.#scheme in PORTS ? QUERY : OPAQUE_QUERY);
    this.#shareParams();
  }

  get searchParams() {
    return this.#params;
  }

  get hash() {
    return this.#fragment ? `#${this.#fragment}` : '';
  }

  set hash(text) {
    this.#fragment = text === '' ? null : encode(String(text).replace(/^#/, ''), FRAGMENT);
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }

  #read(given, base) {
    let rest = given.replace(/^[\0- ]+|[\0- ]+$/g, '').replace(/[\t\n\r]/g, '');
    const take = (mark) => {
      const at = rest.indexOf(mark);
      if (at < 0) return null;
      const part = rest.slice(at + 1);
      rest = rest.slice(0, at);
      return part;
    };
    const fragment = take('#');
    const query = take('?');
    const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(rest)?.[0].toLowerCase();
    if (!scheme && !base) throw new TypeError(`${given} is no URL: it has no scheme, as in https://`);

    const relative = !scheme || (scheme === base?.#scheme && scheme in PORTS && !/^[^:]*:[/\\]/.test(rest));
    if (scheme) rest = rest.slice(scheme.length);
    const special = (relative ? base.#scheme : scheme) in PORTS;
    if (special) rest = rest.replace(/\\/g, '/');

    const user = { name: '', password: '' };
    let [host, port, path, kept] = [null, '', '', null];
    const place = (!special ? /^\/\/([^/]*)(.*)$/s : relative ? /^\/\/+([^/]*)(.*)$/s : /^\/*([^/]*)(.*)$/s).exec(rest);
    if (place) {
      let [, authority, after] = place;
      const at = authority.lastIndexOf('@');
      if (at >= 0) {
        const [name, ...password] = authority.slice(0, at).split(':');
        user.name = encode(name, USER);
        user.password = encode(password.join(':'), USER);
        authority = authority.slice(at + 1);
      }
      const [name, digits] = splitPort(authority);
      if (digits && (!/^[0-9]+$/.test(digits) || Number(digits) > 65_535)) {
        throw new TypeError(`${given} is no URL: ${digits} is no port`);
      }
      if (name === '' && (special || at >= 0 || authority !== '')) throw new TypeError(`${given} is no URL: it names no host`);
      host = hostOf(name, special);
      port = digits ? String(Number(digits)) : '';
      path = after;
    } else if (relative) {
      if (base.#host === null && !base.#path.startsWith('/') && (rest !== '' || query !== null)) {
        throw new TypeError(`${given} cannot be relative to ${base.href}`);
      }
      [host, port, user.name, user.password] = [base.#host, base.#port, base.#user, base.#password];
      path = rest;
      if (rest === '' && query === null) kept = base.#query;
    } else {
      path = rest;
    }

    this.#scheme = relative ? base.#scheme : scheme;
    [this.#user, this.#password, this.#host] = [user.name, user.password, host];
    this.#port = port === PORTS[this.#scheme] ? '' : port;
    const opaque = host === null && !path.startsWith('/') && !relative;
    if (opaque) this.#path = encode(path, NOTHING);
    else if (relative && !place && path === '') this.#path = base.#path;
    else this.#path = this.#resolve(encode(path, PATH), relative && !place && !path.startsWith('/') ? base.#path : '');
    this.#query = query === null ? kept : encode(query, special ? QUERY : OPAQUE_QUERY);
    this.#fragment = fragment === null ? null : encode(fragment, FRAGMENT);
  }

  /** A path without dots, seen from another one. */
  #resolve(path, from) {
    const special = this.#scheme in PORTS;
    const given = (special ? path.replace(/\\/g, '/') : path).split('/');
    const parts = path.startsWith('/') || (special && path.startsWith('\\')) ? [] : from.split('/').slice(1, -1);
    if (given[0] === '') given.shift();
    given.forEach((part, index) => {
      const dots = part.replace(/%2e/gi, '.');
      const last = index === given.length - 1;
      if (dots === '..') parts.pop();
      else if (dots !== '.') parts.push(part);
      if (last && (dots === '.' || dots === '..')) parts.push('');
    });
    if (!special && path === '' && from === '') return '';
    return `/${parts.join('/')}`;
  }

  #shareParams() {
    this.#params = URLSearchParams.of(this.#query ?? '', (text) => {
      this.#query = text === '' ? null : text;
    });
  }
}

export class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      const pairs = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
      this.#pairs = pairs.map((pair) => {
        const [name, value, ...more] = pair;
        if (value === undefined || more.length > 0) throw new TypeError('each pair has a name and a value');
        return [String(name), String(value)];
      });
    } else {
      const text = String(init).replace(/^\?/, '');
      this.#pairs = text.split('&').filter((pair) => pair !== '').map((pair) => {
        const at = pair.indexOf('=');
        return at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
      });
    }
  }

  /** The parameters of a query; every change is told as text. */
  static of(query, changed) {
    const params = new URLSearchParams(`?${query}`);
    params.#changed = changed;
    return params;
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#change([...this.#pairs, [String(name), String(value)]]);
  }

  delete(name, value = undefined) {
    this.#change(this.#pairs.filter(([it, its]) => it !== String(name) || (value !== undefined && its !== String(value))));
  }

  get(name) {
    return this.#pairs.find(([it]) => it === String(name))?.[1] ?? null;
  }

  getAll(name) {
    return this.#pairs.filter(([it]) => it === String(name)).map(([, value]) => value);
  }

  has(name, value = undefined) {
    return this.#pairs.some(([it, its]) => it === String(name) && (value === undefined || its === String(value)));
  }

  set(name, value) {
    const first = this.#pairs.findIndex(([it]) => it === String(name));
    if (first < 0) return this.append(name, value);
    const kept = this.#pairs.filter(([it], index) => it !== String(name) || index === first);
    return this.#change(kept.map((pair) => (pair[0] === String(name) ? [pair[0], String(value)] : pair)));
  }

  sort() {
    // By code units, as `<` compares; the order of equal names stays.
    this.#change([...this.#pairs].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)));
  }

  forEach(call, self = undefined) {
    for (const [name, value] of this.#pairs) call.call(self, value, name, this);
  }

  *entries() {
    yield* this.#pairs.map(([name, value]) => [name, value]);
  }

  *keys() {
    yield* this.#pairs.map(([name]) => name);
  }

  *values() {
    yield* this.#pairs.map(([, value]) => value);
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join('&');
  }

  #change(pairs) {
    this.#pairs = pairs;
    this.#changed(this.toString());
  }
}

/** Percent-encodes controls, everything beyond ASCII, and what the part of the address may not hold. */
function encode(text, set) {
  let encoded = '';
  for (const character of text) {
    encoded += /[^ -~]/.test(character) || set.test(character) ? percent(character) : character;
  }
  return encoded;
}

function percent(character) {
  if (/^[\0-\x7f]$/.test(character)) return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  return encodeURIComponent(/^[\ud800-\udfff]$/.test(character) ? '\ufffd' : character);
}

function formEncode(text) {
  return encode(text, /[^A-Za-z0-9*._-]/).replace(/%20/g, '+');
}

/** Percent-decodes what can be decoded: bytes that are no UTF-8 become U+FFFD. */
function decode(text) {
  return text.replace(/\+/g, ' ').replace(/(%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return new TextDecoder().decode(Uint8Array.from(run.slice(1).split('%'), (hex) => parseInt(hex, 16)));
    }
  });
}

function splitPort(text) {
  const at = text.lastIndexOf(':');
  return at < 0 || text.indexOf(']', at) >= 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function hostOf(text, special) {
  if (/^\[[0-9a-f:.]+\]$/i.test(text)) return text.toLowerCase();
  if (!special) {
    if (FORBIDDEN.test(text)) throw new TypeError(`${text} is no host name`);
    return encode(text, NOTHING);
  }
  const name = decode(text.replace(/\+/g, '%2B')).toLowerCase();
  if (/[^!-~]/.test(name)) throw new TypeError(`${text} is no host name in ASCII: write it as xn--…`);
  if (name === '' || name.includes('%') || FORBIDDEN.test(name)) throw new TypeError(`${text} is no host name`);
  return address(name) ?? name;
}

/** An IPv4 address in any of its spellings, as four numbers; undefined: it is a name. */
function address(name) {
  const parts = name.replace(/\.$/, '').split('.');
  if (!/^(0x[0-9a-f]*|[0-9]+)$/.test(parts.at(-1))) return undefined;
  const numbers = parts.map((part) => {
    if (/^0x[0-9a-f]*$/.test(part)) return parseInt(part.slice(2) || '0', 16);
    if (/^0[0-7]+$/.test(part)) return parseInt(part, 8);
    return /^(0|[1-9][0-9]*)$/.test(part) ? Number(part) : NaN;
  });
  const end = numbers.pop();
  const fits = numbers.length < 4 && numbers.every((it) => it < 256) && end < 256 ** (4 - numbers.length);
  if (!fits) throw new TypeError(`${name} is no address`);
  const value = numbers.reduce((sum, it, index) => sum + it * 256 ** (3 - index), end);
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
