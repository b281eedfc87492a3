/**
 * setTimeout without an event loop: an exported function runs to its end, and nothing can happen beside it. When it has
 * returned, the timers whose time has come by then run, earliest first; the others are forgotten, as their instance is.
 *
 * So `setTimeout(f, 0)` runs, a time-out that was set for safety never fires, and nothing ever waits.
 */
let last = 0;
const timers = new Map();

export function setTimeout(call, delay = 0, ...args) {
  if (typeof call !== 'function') throw new TypeError('setTimeout takes a function');
  last += 1;
  timers.set(last, { due: Date.now() + Math.max(0, Number(delay) || 0), run: () => call(...args) });
  return last;
}

export function clearTimeout(id) {
  timers.delete(id);
}

export function setInterval() {
  throw new Error('setInterval does not exist in a plugin: what shall happen again belongs into the next call');
}

export const clearInterval = clearTimeout;

/** Runs what is due, also what that sets for at once; up to 10,000 timers. */
export function runDueTimers() {
  for (let left = 10_000; left > 0 && timers.size > 0; left -= 1) {
    const now = Date.now();
    const due = [...timers].filter(([, timer]) => timer.due <= now).sort(([a, x], [b, y]) => x.due - y.due || a - b);
    if (due.length === 0) return;
    const [id, timer] = due[0];
    timers.delete(id);
    timer.run();
  }
}

/** The call is over. */
export function forgetTimers() {
  timers.clear();
}
