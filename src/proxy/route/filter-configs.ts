import type { CorsPolicyJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { ConfigError, refuse, within } from "#lib/config-error.ts";
import type { HttpFilterFactory } from "../filters/http/filter.ts";
import type { Services } from "../services.ts";

/** One level's `typed_per_filter_config`, compiled. */
export interface FilterConfigs {
  readonly configs: ReadonlyMap<string, unknown>;
  readonly disabled: ReadonlyMap<string, boolean>;
}

/** Where the older `cors` fields of routes and virtual hosts are kept: no filter's configuration has this key. */
export const olderCorsName = "cors (older field)";

const filterConfigType = "envoy.config.route.v3.FilterConfig";
const corsPolicyType = "envoy.extensions.filters.http.cors.v3.CorsPolicy";

interface WrappedConfig {
  readonly disabled?: boolean;
  readonly isOptional?: boolean;
  readonly config?: unknown;
}

export const noFilterConfigs: FilterConfigs = { configs: new Map(), disabled: new Map() };

/** Entries are found by filter name; what they are is told by their type. */
export function compileFilterConfigs(
  config: Readonly<Record<string, unknown>> | undefined,
  context: { readonly services: Services; readonly filters: readonly HttpFilterFactory[] },
  olderCors?: CorsPolicyJson,
): FilterConfigs {
  const entries = Object.entries(config ?? {});
  if (olderCors !== undefined)
    entries.push([olderCorsName, { ...olderCors, "@type": corsPolicyType }]);
  if (entries.length === 0) return noFilterConfigs;
  const configs = new Map<string, unknown>();
  const disabled = new Map<string, boolean>();
  const problems: ConfigError[] = [];
  for (const [name, value] of entries) {
    try {
      within(name === olderCorsName ? "cors" : `typed_per_filter_config[${name}]`, () => {
        const wrapped = typeName(value) === filterConfigType ? (value as WrappedConfig) : undefined;
        if (wrapped !== undefined) disabled.set(name, wrapped.disabled ?? false);
        const inner = wrapped === undefined ? value : wrapped.config;
        if (inner !== undefined) configs.set(name, compileOne(inner, context));
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.flatMap((error) => error.problems));
  return { configs, disabled };
}

function compileOne(
  config: unknown,
  context: { readonly services: Services; readonly filters: readonly HttpFilterFactory[] },
): unknown {
  const type = typeName(config);
  const factory = context.filters.find((candidate) => candidate.routeConfigType === type);
  if (factory?.compileRoute === undefined)
    throw refuse("", `no filter takes ${type} as its configuration of a route`);
  return factory.compileRoute(config, context.services);
}

function typeName(config: unknown): string {
  const type = (config as { "@type"?: string } | undefined)?.["@type"] ?? "";
  return type.slice(type.lastIndexOf("/") + 1);
}

/** What a route answers about its filters: its own level over those it is in, listed least specific first. */
export class FilterConfigStack {
  readonly #levels: readonly FilterConfigs[];
  readonly #configs: ReadonlyMap<string, readonly unknown[]>;

  constructor(levels: readonly FilterConfigs[]) {
    this.#levels = levels.filter((level) => level.configs.size > 0 || level.disabled.size > 0);
    const names = new Set(this.#levels.flatMap((level) => [...level.configs.keys()]));
    this.#configs = new Map([...names].map((name) => [name, this.#configsOf(name)]));
  }

  #configsOf(name: string): readonly unknown[] {
    return this.#levels
      .filter(({ configs }) => configs.has(name))
      .map(({ configs }) => configs.get(name));
  }

  get any(): boolean {
    return this.#levels.length > 0;
  }

  /** The same list each time: who makes something of it may remember what. */
  configs(name: string): readonly unknown[] {
    return this.#configs.get(name) ?? none;
  }

  /** The most specific level that speaks of it: a FilterConfig's word, or "on" by having a configuration. */
  disabled(name: string): boolean | undefined {
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const level = this.#levels[i];
      const said =
        level?.disabled.get(name) ?? (level?.configs.has(name) === true ? false : undefined);
      if (said !== undefined) return said;
    }
    return undefined;
  }
}

const none: readonly unknown[] = [];
