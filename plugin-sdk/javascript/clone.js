/** structuredClone: copies of plain values, dates, maps, sets, errors, buffers and views; circles stay circles. */

export function structuredClone(value) {
  return copy(value, new Map());
}

function copy(value, seen) {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new DOMException(`a ${typeof value} cannot be cloned`, 'DataCloneError');
  }
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (made) => {
    seen.set(value, made);
    return made;
  };
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength, length } = value;
    return keep(new value.constructor(copy(buffer, seen), byteOffset, length ?? byteLength));
  }
  if (value instanceof Map) {
    const made = keep(new Map());
    for (const [key, it] of value) made.set(copy(key, seen), copy(it, seen));
    return made;
  }
  if (value instanceof Set) {
    const made = keep(new Set());
    for (const it of value) made.add(copy(it, seen));
    return made;
  }
  if (value instanceof Error) {
    const made = keep(new (globalThis[value.name] ?? Error)(value.message));
    made.stack = value.stack;
    if ('cause' in value) made.cause = copy(value.cause, seen);
    return made;
  }
  if (value instanceof Boolean || value instanceof Number || value instanceof String) return keep(Object(value.valueOf()));
  const made = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) made[key] = copy(value[key], seen);
  return made;
}
