import type { ScopedRouteConfigurationJson } from "#gen/envoy/config/route/v3/scoped_route_pb.js";
import type {
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilderJson as FragmentJson,
  ScopedRoutes_ScopeKeyBuilderJson,
} from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse } from "#lib/config-error.ts";
import type { RouteTable } from "./route.ts";

/** Of a request: the key of its scope; undefined: it has none. */
export type ScopeKey = (head: RequestHead) => string | undefined;

// No header's value has it.
const separator = "\0";

/** `scope_key_builder`; throws ConfigError. */
export function compileScopeKey({ fragments }: ScopedRoutes_ScopeKeyBuilderJson): ScopeKey {
  const parts = compileEach("fragments", fragments, compileFragment);
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return (head) => {
    let key = "";
    for (const part of parts) {
      const value = part(head);
      if (value === undefined) return undefined;
      key += value + separator;
    }
    return key;
  };
}

function compileFragment({ headerValueExtractor = {} }: FragmentJson): ScopeKey {
  const { name = "", elementSeparator = "", index, element } = headerValueExtractor;
  const header = name.toLowerCase();
  const elements = (head: RequestHead): readonly string[] => {
    const value = head.get(header);
    if (value === undefined) return [];
    return elementSeparator === "" ? [value] : value.split(elementSeparator);
  };
  if (element !== undefined) {
    const { separator: between = "", key = "" } = element;
    return (head) => {
      for (const item of elements(head)) {
        const at = item.indexOf(between);
        if ((at === -1 ? item : item.slice(0, at)) !== key) continue;
        return at === -1 ? "" : item.slice(at + between.length);
      }
      return undefined;
    };
  }
  if (index === undefined)
    throw refuse("header_value_extractor", "HeaderValueExtractor extract_type not set.");
  if (index !== 0 && elementSeparator === "")
    throw refuse("header_value_extractor", "Index > 0 for empty string element separator.");
  return (head) => elements(head)[index];
}

/** The same text as a request's key. */
export function scopeKeyOf({ key }: ScopedRouteConfigurationJson): string {
  const values = (key?.fragments ?? []).map(({ stringKey = "" }) => stringKey);
  const [only] = values;
  if (only !== undefined && values.length === 1) return only;
  return values.map((value) => value + separator).join("");
}

export interface Scope {
  readonly key: string;
  /** RDS replaces it; undefined: it has not come. */
  readonly routes: { readonly current: RouteTable | undefined };
}

/** The tables of many scopes as one. */
export class ScopedTable implements RouteTable {
  readonly name = "";
  readonly internalOnlyHeaders: readonly string[] = [];
  readonly #keyOf: ScopeKey;
  readonly #scopes: Map<string, Scope> = new Map();

  constructor(keyOf: ScopeKey) {
    this.#keyOf = keyOf;
  }

  scoped(head: RequestHead): RouteTable | undefined {
    const key = this.#keyOf(head);
    return key === undefined ? undefined : this.#scopes.get(key)?.routes.current;
  }

  match(input: Parameters<RouteTable["match"]>[0]): ReturnType<RouteTable["match"]> {
    return this.scoped(input.head)?.match(input);
  }

  add(scope: Scope): void {
    this.#scopes.set(scope.key, scope);
  }

  /** Unless another scope has its key by now. */
  remove(scope: Scope): void {
    if (this.#scopes.get(scope.key) === scope) this.#scopes.delete(scope.key);
  }
}
