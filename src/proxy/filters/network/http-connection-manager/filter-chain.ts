import type { ExtensionConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { ConfigError, refuse, within } from "#lib/config-error.ts";
import type { Route } from "../../../route/route.ts";
import type { HttpFilter, HttpFilterFactory, HttpStream } from "../../http/filter.ts";
import { compileDiscovered } from "./discovered-filter.ts";
import { type ChainContext, type ChainEntry, factoryFor, makeFilter } from "./make-filter.ts";

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
  readonly configDiscovery?: ExtensionConfigSourceJson;
  readonly disabled?: boolean;
  readonly isOptional?: boolean;
}

export function compileFilterChain(
  items: readonly HttpFilterItem[],
  factories: readonly HttpFilterFactory[],
  context: ChainContext,
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
  context: ChainContext,
  last: boolean,
): ChainEntry {
  const { name = "", disabled = false, configDiscovery: discovery, typedConfig } = item;
  if (name === "") throw refuse("name", "a filter needs a name");
  if (last && disabled)
    throw refuse(
      "disabled",
      `Error: the last (terminal) filter (${name}) in the chain cannot be disabled by default.`,
    );
  if (discovery !== undefined)
    return within("config_discovery", () =>
      compileDiscovered({ name, disabled, last, discovery }, factories, context),
    );
  const factory = factoryFor(factories, typedConfig);
  return { name, disabled, create: makeFilter(factory, { name, last, typedConfig }, context) };
}
