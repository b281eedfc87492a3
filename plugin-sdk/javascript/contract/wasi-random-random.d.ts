declare module 'wasi:random/random@0.2.0' {
  export function getRandomBytes(len: number): Uint8Array;
  export function getRandomU64(): number;
}
