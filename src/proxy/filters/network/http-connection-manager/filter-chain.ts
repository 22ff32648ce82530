import { ConfigError, refuse, within } from "#lib/config-error.ts";
import type { Route } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type {
  FilterContext,
  HttpFilter,
  HttpFilterFactory,
  HttpStream,
} from "../../http/filter.ts";

/** One entry of `http_filters`, compiled. */
export interface ChainEntry {
  readonly name: string;
  /** `disabled: true` in the chain: off unless a route turns it on. */
  readonly disabled: boolean;
  readonly create: (stream: HttpStream) => HttpFilter;
}

export interface FilterChain {
  readonly entries: readonly ChainEntry[];
  /** Whether a route may switch entries on or off: if not, nobody asks. */
  readonly anyDisabled: boolean;
}

/** The filters of one stream: those of the chain that its route has not switched off. */
export function filtersOf(
  chain: FilterChain,
  stream: HttpStream,
  route: Route | undefined,
): readonly HttpFilter[] {
  let { entries } = chain;
  if (chain.anyDisabled || route?.hasFilterConfigs === true)
    entries = entries.filter((entry) => !(route?.filterDisabled(entry.name) ?? entry.disabled));
  const filters: HttpFilter[] = [];
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as ChainEntry;
    filters.push(entry.create(stream));
  }
  return filters;
}

/** A `http_filters` item in ProtoJSON. */
export interface HttpFilterItem {
  readonly name?: string;
  readonly typedConfig?: unknown;
  readonly disabled?: boolean;
  readonly isOptional?: boolean;
}

/** The factory for a typed_config's "@type", which is what Envoy 1.40 looks at; the name is the user's. */
export function factoryFor<F extends { readonly name: string; readonly configType: string }>(
  factories: readonly F[],
  typedConfig: unknown,
): F {
  const type = typeOf(typedConfig);
  const factory = factories.find((candidate) => candidate.configType === type);
  if (factory === undefined)
    throw refuse(
      "typed_config",
      type === "" ? "a typed_config is required" : `Heddle has no filter for ${type}`,
    );
  return factory;
}

export function typeOf(typedConfig: unknown): string {
  const type = (typedConfig as { "@type"?: string } | undefined)?.["@type"] ?? "";
  return type.slice(type.lastIndexOf("/") + 1);
}

export function compileFilterChain(
  items: readonly HttpFilterItem[],
  factories: readonly HttpFilterFactory[],
  context: { readonly services: Services; readonly scope: StatsScope },
): FilterChain {
  const entries: ChainEntry[] = [];
  const problems: ConfigError[] = [];
  for (const [index, item] of items.entries()) {
    const last = index === items.length - 1;
    try {
      entries.push(
        within(`http_filters[${index}]`, () => compileEntry(item, factories, context, last)),
      );
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.flatMap((error) => error.problems));
  if (items.length === 0)
    throw refuse("http_filters", "a connection manager needs at least the router filter");
  return { entries, anyDisabled: entries.some((entry) => entry.disabled) };
}

function compileEntry(
  item: HttpFilterItem,
  factories: readonly HttpFilterFactory[],
  context: { readonly services: Services; readonly scope: StatsScope },
  last: boolean,
): ChainEntry {
  const factory = factoryFor(factories, item.typedConfig);
  const name = item.name ?? "";
  if (name === "") throw refuse("name", "a filter needs a name");
  if (last && factory.terminal !== true)
    throw refuse(
      "",
      `non-terminal filter named ${name} of type ${factory.name} is the last filter in a http filter chain.`,
    );
  if (!last && factory.terminal === true)
    throw refuse(
      "",
      `terminal filter named ${name} of type ${factory.name} must be the last filter in a http filter chain.`,
    );
  const filterContext: FilterContext = { ...context, filterName: name };
  const create = within("typed_config", () => factory.compile(item.typedConfig, filterContext));
  return { name, disabled: item.disabled ?? false, create };
}
