import type { JsonValue } from "@bufbuild/protobuf";
import { hint } from "#config/nearest.ts";
import { formatPath } from "#config/place.ts";
import type { SourceText } from "#config/source-text.ts";

type Keys = readonly (string | number)[];

export interface DocumentProblems {
  readonly source: SourceText;
  /** One line each. */
  readonly problems: string[];
}

/** A value of a document, read field by field; what is wrong is collected, with its line. */
export class Reader {
  readonly #document: DocumentProblems;
  readonly #value: JsonValue | undefined;
  readonly #keys: Keys;

  constructor(document: DocumentProblems, value: JsonValue | undefined, keys: Keys = []) {
    this.#document = document;
    this.#value = value;
    this.#keys = keys;
  }

  get value(): JsonValue | undefined {
    return this.#value;
  }

  get line(): number {
    return this.#document.source.positionOf(this.#keys, "value").line;
  }

  get isSet(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  refuse(message: string): undefined {
    const { source, problems } = this.#document;
    const { line, column } = source.positionOf(this.#keys, "value");
    const path = formatPath(this.#keys);
    problems.push(
      `${source.name}:${line}:${column} ${path === "" ? "document" : path}: ${message}`,
    );
    return undefined;
  }

  /** Its fields; `known` are those that there may be. */
  fields<K extends string>(known: readonly K[]): Readonly<Record<K, Reader>> {
    const object = isObject(this.#value) ? this.#value : {};
    if (this.isSet && !isObject(this.#value)) this.refuse("must be an object");
    for (const name of Object.keys(object)) {
      if (known.some((field) => field === name)) continue;
      this.#below(name, object[name]).refuse(`unknown field${hint(name, known)}`);
    }
    const entries = known.map((name) => [name, this.#below(name, object[name])] as const);
    // Proof: one entry for each name of K.
    return Object.fromEntries(entries) as Record<K, Reader>;
  }

  list(): readonly Reader[] {
    if (!this.isSet) return [];
    if (!Array.isArray(this.#value)) {
      this.refuse("must be a list");
      return [];
    }
    return this.#value.map((item, index) => this.#below(index, item));
  }

  /** Entries of a map whose keys are anybody's. */
  entries(): readonly (readonly [string, Reader])[] {
    if (!this.isSet) return [];
    if (!isObject(this.#value)) {
      this.refuse("must be a map");
      return [];
    }
    return Object.entries(this.#value).map(([name, item]) => [name, this.#below(name, item)]);
  }

  text(): string | undefined {
    if (!this.isSet) return undefined;
    if (typeof this.#value === "string") return this.#value;
    if (typeof this.#value === "number") return String(this.#value);
    return this.refuse("must be a string");
  }

  number(): number | undefined {
    if (!this.isSet) return undefined;
    return typeof this.#value === "number" ? this.#value : this.refuse("must be a number");
  }

  #below(key: string | number, value: JsonValue | undefined): Reader {
    return new Reader(this.#document, value, [...this.#keys, key]);
  }
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
