/** Headers: names in any case, several values of one name joined by commas. */

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export class Headers {
  #map = new Map();

  constructor(init = {}) {
    const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    const [key, text] = [checked(name), clean(name, value)];
    this.#map.set(key, [...(this.#map.get(key) ?? []), text]);
  }

  delete(name) {
    this.#map.delete(checked(name));
  }

  get(name) {
    return this.#map.get(checked(name))?.join(', ') ?? null;
  }

  has(name) {
    return this.#map.has(checked(name));
  }

  set(name, value) {
    this.#map.set(checked(name), [clean(name, value)]);
  }

  forEach(call, self = undefined) {
    for (const [name, value] of this) call.call(self, value, name, this);
  }

  *entries() {
    for (const name of [...this.#map.keys()].sort()) yield [name, this.get(name)];
  }

  *keys() {
    for (const [name] of this) yield name;
  }

  *values() {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

function checked(name) {
  if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no header name`);
  return String(name).toLowerCase();
}

function clean(name, value) {
  const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
  if (/[\0\r\n]/.test(text)) throw new TypeError(`the header ${name} holds a line break`);
  return text;
}
