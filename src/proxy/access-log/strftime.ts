/** Milliseconds since 1970 with a fraction, to text. */
export type TimeFormatter = (wallMs: number) => string;

interface Fields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: number;
  readonly dayOfYear: number;
  readonly epochSecond: number;
  readonly offsetMinutes: number;
}

/** Constant within a second, or the digits of the fraction. `trim`: without zeros behind, and `dot` only before digits. */
type Part =
  | { readonly kind: "second"; readonly text: (fields: Fields) => string }
  | {
      readonly kind: "fraction";
      readonly digits: number;
      readonly trim: boolean;
      readonly dot: boolean;
    };

/**
 * strftime with Envoy's `%s`, `%f`, `%1f` … `%9f` and `%E3S`. What is constant within a second is made once a second.
 */
export function compileTimeFormat(format: string, zone: "utc" | "local"): TimeFormatter {
  const parts = joinSeconds(parse(format));
  const cached: string[] = parts.map(() => "");
  let cachedSecond = Number.NaN;
  return (wallMs) => {
    const second = Math.floor(wallMs / 1000);
    if (second !== cachedSecond) {
      const fields = fieldsOf(second, zone);
      for (const [index, part] of parts.entries()) {
        if (part.kind === "second") cached[index] = part.text(fields);
      }
      cachedSecond = second;
    }
    let text = "";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      if (part?.kind === "fraction") text += fraction(wallMs - second * 1000, part);
      else text += cached[i];
    }
    return text;
  };
}

const powers = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1];

function fraction(ms: number, part: { digits: number; trim: boolean; dot: boolean }): string {
  // A double holds today's time to a quarter of a microsecond, so whole microseconds are all it can say.
  const nanoseconds = Math.min(999_999_000, Math.round(ms * 1000) * 1000);
  let text = String(Math.floor(nanoseconds / (powers[part.digits] ?? 1))).padStart(
    part.digits,
    "0",
  );
  if (part.trim) text = text.replace(/0+$/, "");
  return part.dot && text !== "" ? `.${text}` : text;
}

function joinSeconds(parts: readonly Part[]): Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const before = joined.at(-1);
    if (part.kind === "second" && before?.kind === "second") {
      joined[joined.length - 1] = {
        kind: "second",
        text: (fields) => before.text(fields) + part.text(fields),
      };
    } else joined.push(part);
  }
  return joined;
}

const token = /%([1-9])f|%E([0-9]|\*)([Sf])|%E(4Y|z)|%([A-Za-z%])|([^%]+)|%/gs;

function parse(format: string): Part[] {
  const parts: Part[] = [];
  for (const found of format.matchAll(token)) {
    const [all, digits, preciseDigits, preciseKind, special, plain, literal] = found;
    if (digits !== undefined) parts.push(fractionPart(Number(digits)));
    else if (preciseDigits !== undefined) {
      if (preciseKind === "S") parts.push(conversion("S"));
      const any = preciseDigits === "*";
      const count = any ? 9 : Number(preciseDigits);
      const dot = preciseKind === "S";
      if (count > 0) parts.push({ kind: "fraction", digits: count, trim: any, dot });
    } else if (special !== undefined) parts.push(conversion(special === "4Y" ? "Y" : "Ez"));
    else if (plain === "f") parts.push(fractionPart(9));
    else if (plain !== undefined) parts.push(conversion(plain));
    else parts.push({ kind: "second", text: () => literal ?? all });
  }
  return parts;
}

const fractionPart = (digits: number): Part => ({
  kind: "fraction",
  digits,
  trim: false,
  dot: false,
});

function conversion(letter: string): Part {
  const text = conversions[letter];
  // As Envoy: what is not known stays as it is written.
  return { kind: "second", text: text ?? (() => `%${letter}`) };
}

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];
const two = (n: number): string => String(n).padStart(2, "0");
const spaced = (n: number): string => String(n).padStart(2, " ");
const hour12 = (f: Fields): number => f.hour % 12 || 12;
const time = (f: Fields): string => `${two(f.hour)}:${two(f.minute)}:${two(f.second)}`;
const usDate = (f: Fields): string => `${two(f.month + 1)}/${two(f.day)}/${two(f.year % 100)}`;
const weekdayName = (f: Fields): string => weekdays[f.weekday] ?? "";
const monthName = (f: Fields): string => months[f.month] ?? "";

const conversions: Readonly<Record<string, (fields: Fields) => string>> = {
  Y: (f) => String(f.year),
  C: (f) => two(Math.floor(f.year / 100)),
  y: (f) => two(f.year % 100),
  m: (f) => two(f.month + 1),
  d: (f) => two(f.day),
  e: (f) => spaced(f.day),
  H: (f) => two(f.hour),
  k: (f) => spaced(f.hour),
  I: (f) => two(hour12(f)),
  l: (f) => spaced(hour12(f)),
  M: (f) => two(f.minute),
  S: (f) => two(f.second),
  p: (f) => (f.hour < 12 ? "AM" : "PM"),
  j: (f) => String(f.dayOfYear).padStart(3, "0"),
  a: (f) => weekdayName(f).slice(0, 3),
  A: weekdayName,
  b: (f) => monthName(f).slice(0, 3),
  h: (f) => monthName(f).slice(0, 3),
  B: monthName,
  c: (f) =>
    `${weekdayName(f).slice(0, 3)} ${monthName(f).slice(0, 3)} ${spaced(f.day)} ${time(f)} ${f.year}`,
  D: usDate,
  x: usDate,
  F: (f) => `${f.year}-${two(f.month + 1)}-${two(f.day)}`,
  T: time,
  X: time,
  R: (f) => `${two(f.hour)}:${two(f.minute)}`,
  r: (f) => `${two(hour12(f))}:${two(f.minute)}:${two(f.second)} ${f.hour < 12 ? "AM" : "PM"}`,
  u: (f) => String(f.weekday || 7),
  w: (f) => String(f.weekday),
  U: (f) => two(Math.floor((f.dayOfYear + 6 - f.weekday) / 7)),
  W: (f) => two(Math.floor((f.dayOfYear + 6 - ((f.weekday + 6) % 7)) / 7)),
  G: (f) => String(isoWeek(f).year),
  g: (f) => two(isoWeek(f).year % 100),
  V: (f) => two(isoWeek(f).week),
  s: (f) => String(f.epochSecond),
  z: (f) => offset(f, ""),
  Ez: (f) => offset(f, ":"),
  Z: (f) => (f.offsetMinutes === 0 ? "UTC" : offset(f, "")),
  t: () => "\t",
  n: () => "\n",
  "%": () => "%",
};

function offset(fields: Fields, between: string): string {
  const minutes = Math.abs(fields.offsetMinutes);
  const sign = fields.offsetMinutes < 0 ? "-" : "+";
  return `${sign}${two(Math.floor(minutes / 60))}${between}${two(minutes % 60)}`;
}

/** ISO 8601: the week belongs to the year of its Thursday. */
function isoWeek(fields: Fields): { year: number; week: number } {
  const thursday = new Date(Date.UTC(fields.year, fields.month, fields.day));
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (fields.weekday || 7));
  const year = thursday.getUTCFullYear();
  const days = (thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000;
  return { year, week: Math.floor(days / 7) + 1 };
}

function fieldsOf(epochSecond: number, zone: "utc" | "local"): Fields {
  const offsetMinutes = zone === "utc" ? 0 : -new Date(epochSecond * 1000).getTimezoneOffset();
  // Shifted by the offset, the UTC getters read the zone's wall clock.
  const date = new Date(epochSecond * 1000 + offsetMinutes * 60_000);
  const year = date.getUTCFullYear();
  return {
    year,
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
    dayOfYear: Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1,
    epochSecond,
    offsetMinutes,
  };
}
