/**
 * Chance: `crypto.getRandomValues`, `crypto.randomUUID`, and `Math.random`. The bytes come from the host, which records
 * them, so that a call can be replayed. There is no `crypto.subtle`: signing is the host's business, by credentials.
 */
import { getRandomBytes } from 'wasi:random/random@0.2.0';

const integers = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array,
];

const bytes = (count) => Uint8Array.from(getRandomBytes(count));

export const crypto = {
  getRandomValues(array) {
    if (!integers.some((type) => array instanceof type)) throw new TypeError('getRandomValues fills an array of integers');
    if (array.byteLength > 65_536) throw new RangeError('getRandomValues fills at most 65,536 bytes at once');
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes(array.byteLength));
    return array;
  },

  randomUUID() {
    const data = bytes(16);
    data[6] = (data[6] & 0x0f) | 0x40;
    data[8] = (data[8] & 0x3f) | 0x80;
    const hex = Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  },
};

/** A number from 0 up to 1, with 53 bits. */
export function random() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return ((high >>> 5) * 67_108_864 + (low >>> 6)) / 9_007_199_254_740_992;
}
