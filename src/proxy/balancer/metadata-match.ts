import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Json, Metadata } from "../stream-info.ts";

type Values = Readonly<Record<string, Json>>;

interface Criterion {
  readonly name: string;
  readonly value: Json;
}

const namespace = "envoy.lb";
const listName = "fallback_list";

/** What a host's `envoy.lb` metadata must be: of a route or a TCP proxy made once, of a request when it brings its own. */
export class MetadataMatch {
  /** Of the names alone, and of names and values: equal criteria have equal texts. */
  readonly names: string;
  readonly text: string;
  readonly #criteria: readonly Criterion[];
  #alternatives: readonly MetadataMatch[] | undefined;
  /** The latest answer of `only`. */
  #reduced: { readonly names: ReadonlySet<string>; readonly match: MetadataMatch } | undefined;

  static of(values: Values): MetadataMatch {
    const criteria = Object.entries(values).map(([name, value]) => ({ name, value }));
    return new MetadataMatch(criteria.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }

  /** `criteria`: by name. */
  constructor(criteria: readonly Criterion[]) {
    this.#criteria = criteria;
    this.names = namesText(criteria.map(({ name }) => name));
    this.text = criteria.map(({ name, value }) => criterionText(name, value)).join();
  }

  /** Those of the names that there are. */
  only(names: ReadonlySet<string>): MetadataMatch {
    if (this.#reduced?.names !== names) {
      const match = new MetadataMatch(this.#criteria.filter(({ name }) => names.has(name)));
      this.#reduced = { names, match };
    }
    return this.#reduced.match;
  }

  hasAll(names: ReadonlySet<string>): boolean {
    let found = 0;
    for (const { name } of this.#criteria) if (names.has(name)) found++;
    return found === names.size;
  }

  merged(values: Values): MetadataMatch {
    const own = this.#criteria.map(({ name, value }) => [name, value] as const);
    return MetadataMatch.of({ ...Object.fromEntries(own), ...values });
  }

  /** `fallback_list`: each of its entries over the other criteria, or those alone; undefined when there is no list. */
  get alternatives(): readonly MetadataMatch[] | undefined {
    const list = this.#criteria.find(({ name }) => name === listName);
    if (list === undefined) return undefined;
    if (this.#alternatives === undefined) {
      const rest = new MetadataMatch(this.#criteria.filter((it) => it !== list));
      const entries: readonly Json[] = Array.isArray(list.value) ? list.value : [];
      this.#alternatives =
        entries.length === 0
          ? [rest]
          : entries.map((entry) => (isStruct(entry) ? rest.merged(entry) : rest));
    }
    return this.#alternatives;
  }

  /** Whether these labels meet all criteria; `listAsAny`: a list is each of its values. */
  meets(labels: Values | undefined, listAsAny: boolean): boolean {
    return this.#criteria.every(({ name, value }) => {
      if (labels === undefined || !Object.hasOwn(labels, name)) return false;
      const text = valueText(value);
      return valuesOf(labels[name], listAsAny).some((label) => valueText(label) === text);
    });
  }
}

/** The later ones win, name by name. Undefined when none says anything about balancing. */
export function compileMetadataMatch(
  ...levels: readonly (MetadataJson | undefined)[]
): MetadataMatch | undefined {
  let match: MetadataMatch | undefined;
  for (const level of levels) {
    const more = balancingLabels(level?.filterMetadata as Metadata | undefined);
    if (more !== undefined) match = match?.merged(more) ?? MetadataMatch.of(more);
  }
  return match;
}

export function balancingLabels(metadata: Metadata | undefined): Values | undefined {
  return metadata?.[namespace];
}

/** Texts of the criteria under these names (in order) that a host with the labels is found by; none when it lacks one. */
export function textsOfHost(
  labels: Values | undefined,
  options: {
    readonly names: readonly string[];
    readonly listAsAny: boolean;
    readonly max: number;
  },
): readonly string[] {
  const { names, listAsAny, max } = options;
  if (labels === undefined || names.length === 0) return [];
  let texts: readonly string[] = [""];
  for (const [index, name] of names.entries()) {
    if (!Object.hasOwn(labels, name)) return [];
    const values = valuesOf(labels[name], listAsAny);
    const separator = index === 0 ? "" : ",";
    texts = texts
      .flatMap((text) => values.map((value) => text + separator + criterionText(name, value)))
      .slice(0, max);
  }
  return texts;
}

/** `names`: in order. */
export function namesText(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join();
}

function criterionText(name: string, value: Json): string {
  return `${JSON.stringify(name)}:${valueText(value)}`;
}

function valuesOf(value: Json | undefined, listAsAny: boolean): readonly Json[] {
  return listAsAny && Array.isArray(value) ? value : [value ?? null];
}

function valueText(value: Json): string {
  return typeof value === "object" ? JSON.stringify(value, sorted) : JSON.stringify(value);
}

function isStruct(value: Json): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same struct has the same text whatever the order of its fields. */
function sorted(_key: string, value: Json): Json {
  if (!isStruct(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
