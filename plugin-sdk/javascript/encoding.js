/** TextEncoder and TextDecoder for UTF-8, the only encoding that anything here speaks. */

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    const bytes = [];
    for (const character of String(text)) {
      let code = character.codePointAt(0);
      if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd; // half of a pair
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return Uint8Array.from(bytes);
  }

  /** Fills `target` with as many whole characters as fit. */
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = this.encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

export class TextDecoder {
  #fatal;
  #keepMark;
  #rest = new Uint8Array();
  #begun = false;

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) {
      throw new RangeError(`TextDecoder knows utf-8 only, not ${label}`);
    }
    this.#fatal = fatal;
    this.#keepMark = ignoreBOM;
  }

  get encoding() {
    return 'utf-8';
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#keepMark;
  }

  /** With `stream`, the beginning of a character at the end waits for the next call. */
  decode(input = new Uint8Array(), { stream = false } = {}) {
    let bytes = view(input);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
      this.#rest = new Uint8Array();
    }
    const characters = [];
    for (let at = 0; at < bytes.length; ) {
      const { code, length, cut } = character(bytes, at);
      if (cut && stream) {
        this.#rest = bytes.slice(at);
        break;
      }
      if (code === undefined && this.#fatal) throw new TypeError(`byte ${at} is not UTF-8`);
      const mark = code === 0xfeff && !this.#begun && characters.length === 0;
      if (!mark || this.#keepMark) characters.push(String.fromCodePoint(code ?? 0xfffd));
      if (mark) this.#begun = true;
      at += length;
    }
    this.#begun = stream && (this.#begun || characters.length > 0);
    return characters.join('');
  }
}

function view(input) {
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  throw new TypeError('TextDecoder decodes an ArrayBuffer or a view of one');
}

/** The character at a place; without a code it is broken there, and `cut` if only its end is missing. */
function character(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return { code: first, length: 1 };
  const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
  if (more === 0) return { length: 1 };
  // The second byte's bounds leave out forms that are too long, halves of pairs, and what is beyond Unicode.
  let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  let code = first & (0x3f >> more);
  for (let index = 1; index <= more; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) return { length: index, cut: true };
    if (byte < low || byte > high) return { length: index };
    code = (code << 6) | (byte & 63);
    [low, high] = [0x80, 0xbf];
  }
  return { code, length: more + 1 };
}
