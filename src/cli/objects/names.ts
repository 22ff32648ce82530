import { hint } from "#config/nearest.ts";
import { allKinds, kindNamed } from "#model/kinds.ts";
import { UsageError } from "../flags.ts";

type Kind = ReturnType<typeof allKinds>[number];

/** `vs reviews ratings`, `vs/reviews dr/ratings`, `vs`. */
export interface NamedObjects {
  readonly kind: Kind;
  /** Empty: all of the kind. */
  readonly names: readonly string[];
}

/** Throws UsageError. */
export function parseNames(words: readonly string[]): readonly NamedObjects[] {
  const [first, ...rest] = words;
  if (first === undefined) throw new UsageError(`a kind is required, such as ${examples()}`);
  if (words.some((word) => word.includes("/"))) return words.map(parseSlashed);
  return first.split(",").map((word) => ({ kind: kindOf(word), names: rest }));
}

function parseSlashed(word: string): NamedObjects {
  const [kind = "", name = "", ...more] = word.split("/");
  if (name === "" || more.length > 0)
    throw new UsageError(`"${word}" is not kind/name; write all names as kind/name, or none`);
  return { kind: kindOf(kind), names: [name] };
}

export function kindOf(word: string): Kind {
  const kind = kindNamed(word);
  if (kind !== undefined) return kind;
  const words = allKinds().flatMap(({ kind: name, plural, shortNames }) => [
    name,
    plural,
    ...shortNames,
  ]);
  throw new UsageError(`there is no kind "${word}"${hint(word, words)}`);
}

function examples(): string {
  return allKinds()
    .slice(0, 4)
    .map(({ plural }) => plural)
    .join(", ");
}

/** kubectl's way: `virtualservice.networking.istio.io/reviews`. */
export function printedName(kind: Kind, name: string): string {
  const group = kind.group === "" ? "" : `.${kind.group}`;
  return `${kind.kind.toLowerCase()}${group}/${name}`;
}

/** Of a `kind/namespace/name`. */
export function printedKey(key: string): string {
  const [word = "", , name = ""] = key.split("/");
  const kind = kindNamed(word);
  return kind === undefined ? `${word.toLowerCase()}/${name}` : printedName(kind, name);
}

export function pathOf(kind: Kind, namespace: string, name: string): string {
  return [kind.kind, kind.namespaced ? namespace : "-", name].map(encodeURIComponent).join("/");
}
