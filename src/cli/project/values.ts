/** Reads values out of a YAML tree, and says what is wrong with them where they stand. */
import { hint } from "#config/nearest.ts";
import { below, type Place, type Problems } from "#config/place.ts";

/** A value of the file, and where it stands. */
export interface Item {
  readonly place: Place;
  readonly value: unknown;
}

export class Values {
  readonly problems: Problems;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  /** The fields of a mapping that has no others than these. */
  fields<K extends string>(item: Item, known: readonly K[]): Partial<Record<K, Item>> {
    const fields: Partial<Record<K, Item>> = {};
    for (const [key, field] of this.entries(item)) {
      const name = known.find((word) => word === key);
      if (name !== undefined) fields[name] = field;
      else this.problems.add(field.place, `unknown field "${key}"${hint(key, known)}`, "key");
    }
    return fields;
  }

  entries({ place, value }: Item): readonly (readonly [string, Item])[] {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.problems.add(place, `a mapping is expected, not ${kindOf(value)}`);
      return [];
    }
    return Object.entries(value).map(([key, at]) => [
      key,
      { place: below(place, key), value: at as unknown },
    ]);
  }

  list({ place, value }: Item): readonly Item[] {
    if (Array.isArray(value))
      return value.map((at: unknown, index) => ({ place: below(place, index), value: at }));
    this.problems.add(place, `a list is expected, not ${kindOf(value)}`);
    return [];
  }

  text({ place, value }: Item): string | undefined {
    // What stands for a number or a boolean in YAML is text to whoever wrote it.
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    if (typeof value === "string" && value !== "") return value;
    this.problems.add(
      place,
      value === "" ? "is empty" : `a text is expected, not ${kindOf(value)}`,
    );
    return undefined;
  }

  /** Lower-case letters, digits and dashes: part of a host name (RFC 1123). */
  label(item: Item): string | undefined {
    const text = this.text(item);
    if (text === undefined || /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) return text;
    this.problems.add(
      item.place,
      `"${text}" is not a name of lower-case letters, digits and dashes`,
    );
    return undefined;
  }

  wholeNumber({ place, value }: Item, { min, max }: Range): number | undefined {
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max)
      return number;
    this.problems.add(place, `a whole number from ${min} to ${max} is expected`);
    return undefined;
  }

  port(item: Item): number | undefined {
    return this.wholeNumber(item, { min: 1, max: 65_535 });
  }

  /** `10s`, `1m30s`, `500ms`: in milliseconds. */
  duration(item: Item): number | undefined {
    const text = this.text(item);
    if (text === undefined) return undefined;
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    const total = parts.reduce(
      (sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units],
      0,
    );
    if (parts.length > 0 && parts.map(([part]) => part).join("") === text) return total;
    this.problems.add(item.place, `"${text}" is not a duration such as 30s or 1m30s`);
    return undefined;
  }

  choice<T extends string>(item: Item, choices: readonly T[]): T | undefined {
    const text = this.text(item);
    // YAML 1.1's `no` is a boolean, and a restart policy.
    const word = item.value === false ? "no" : text;
    const found = choices.find((choice) => choice === word);
    if (found === undefined && word !== undefined)
      this.problems.add(
        item.place,
        `"${word}" is none of ${choices.join(", ")}${hint(word, choices)}`,
      );
    return found;
  }
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a mapping" : `the ${typeof value} ${JSON.stringify(value)}`;
}
