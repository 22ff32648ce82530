import { hint } from "#config/nearest.ts";
import type { Kind } from "./kinds/kind.ts";
import { kinds } from "./kinds/list.ts";

const byName: ReadonlyMap<string, Kind> = new Map(
  kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]),
);

const byWord: ReadonlyMap<string, Kind> = new Map(
  kinds.flatMap((kind) =>
    [
      kind.kind,
      kind.plural,
      `${kind.plural}.${kind.group}`,
      `${kind.kind}.${kind.group}`,
      ...kind.shortNames,
    ].map((word) => [word.toLowerCase(), kind] as const),
  ),
);

/** Every kind of object that Heddle reads. */
export function allKinds(): readonly Kind[] {
  return kinds;
}

/** `{ group: "networking.istio.io", kind: "VirtualService" }` */
export function kindOf(named: { readonly group: string; readonly kind: string }): Kind | undefined {
  return byName.get(`${named.group}/${named.kind}`);
}

/** As people write it: `vs`, `virtualservices`, `VirtualService`, `virtualservices.networking.istio.io`. */
export function kindNamed(word: string): Kind | undefined {
  return byWord.get(word.toLowerCase());
}

/** The preferred `apiVersion` of a kind. */
export function apiVersionOf(kind: Kind): string {
  const version = kind.versions[0] ?? "";
  return kind.group === "" ? version : `${kind.group}/${version}`;
}

/** `networking.istio.io/v1` → its two parts; the core's `v1` has no group. */
export function parseApiVersion(apiVersion: string): {
  readonly group: string;
  readonly version: string;
} {
  const slash = apiVersion.lastIndexOf("/");
  return { group: apiVersion.slice(0, Math.max(0, slash)), version: apiVersion.slice(slash + 1) };
}

/** `; did you mean "VirtualService"?`, for a word that is no kind. */
export function kindHint(word: string): string {
  return hint(
    word,
    kinds.map(({ kind }) => kind),
  );
}
