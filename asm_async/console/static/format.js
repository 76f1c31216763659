// Times, amounts and states in words.

const WHOLE = new Intl.NumberFormat("en-GB");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const ABSOLUTE = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const whole = (count) => WHOLE.format(count);
export const compact = (count) => (count < 10_000 ? WHOLE.format(count) : SHORT.format(count));
export const absolute = (time) => ABSOLUTE.format(new Date(time));
export const clock = (time) => CLOCK.format(new Date(time));
export const day = (time) => DAY.format(new Date(time));
export const fullDay = (time) => DAY_OF_YEAR.format(new Date(time));

/** One noun for one, and the other for none or several. */
export function counted(count, one, several = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : several}`;
}

/** How long ago a time was, as short as a list needs it. */
export function ago(time, now = Date.now()) {
  const seconds = (now - new Date(time)) / 1000;
  if (seconds < 45) return "now";
  if (seconds < 3_570) return `${Math.max(1, Math.round(seconds / 60))} min`;
  if (seconds < 84_600) return `${Math.round(seconds / 3_600)} h`;
  if (seconds < 6.5 * 86_400) return `${Math.round(seconds / 86_400)} d`;
  const isThisYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return isThisYear ? day(time) : fullDay(time);
}

/** A duration of any size, to about three digits. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} d`;
}

/** An amount of dollars, with as many digits as it needs. */
export function dollars(amount) {
  if (amount === null || amount === undefined) return "–";
  if (amount === 0) return "$0";
  if (amount < 0.0001) return "< $0.0001";
  const digits = amount < 0.01 ? 4 : amount < 1 ? 3 : 2;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** A number of bytes. */
export function bytes(count) {
  if (count < 1_000) return `${count} bytes`;
  return count < 1_000_000 ? `${(count / 1_000).toFixed(1)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** Tokens in and out, as one short text. */
export function tokens(used) {
  return `${compact(used.input)} in · ${compact(used.output)} out`;
}

/** Tokens with their parts, for whoever looks closer. */
export function tokenDetails(used) {
  const parts = [`${whole(used.input)} in`, `${whole(used.output)} out`];
  if (used.cache_read) parts.push(`${whole(used.cache_read)} read from a cache`);
  if (used.cache_write) parts.push(`${whole(used.cache_write)} written to a cache`);
  if (used.reasoning) parts.push(`${whole(used.reasoning)} for reasoning`);
  return parts.join(", ");
}

/** A type or state as words: `run_started` is "run started". */
export const words = (name) => name.replaceAll("_", " ");
export const sentence = (name) => words(name).replace(/^./, (letter) => letter.toUpperCase());
