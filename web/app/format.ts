/** Numbers as people read them. */

/** Bytes in decimal units, as download tools show them: `512 B`, `31 kB`, `55.3 MB`. */
export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

/** A span of time, rounded to what matters: `0.31 s`, `12 s`, `3 min`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Milliseconds with two significant digits: `0.031 ms`. */
export function milliseconds(count: number): string {
  return `${digits(count)}\u00a0ms`;
}

/** A rate with three significant digits. */
export function rate(perSecond: number): string {
  if (perSecond >= 100) return perSecond.toFixed(0);
  return perSecond >= 10 ? perSecond.toFixed(1) : perSecond.toFixed(2);
}

/** `1 plane`, `2 planes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** How long ago something was, in whole units: `just now`, `5 min ago`, `yesterday` and so on. */
export function ago(then: Date, now = new Date()): string {
  const minutes = Math.max(0, (now.getTime() - then.getTime()) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${Math.floor(minutes)} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  const days = Math.floor(minutes / (24 * 60));
  return days === 1 ? "yesterday" : `${days} days ago`;
}

/** A number with two significant digits, written out: `390`, `1.2`, `0.0031`. */
export function digits(number: number): string {
  return number === 0 ? "0" : new Intl.NumberFormat("en", { maximumSignificantDigits: 2 }).format(number);
}

/** A large count in words: `135 million`, `151 thousand`. */
export function many(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} billion`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(0)} million` : `${(count / 1e3).toFixed(0)} thousand`;
}
