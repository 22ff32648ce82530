import type { ExtensionConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { extensionKey, extensionStats } from "../../extension-configs.ts";
import type { HttpFilter, HttpFilterFactory, HttpStream } from "../../http/filter.ts";
import {
  type ChainContext,
  type ChainEntry,
  factoryFor,
  makeFilter,
  typeOf,
} from "./make-filter.ts";
import { missingFilter } from "./missing-filter.ts";

export interface DiscoveredItem {
  readonly name: string;
  readonly disabled: boolean;
  /** Of the chain: the place of a terminal filter. */
  readonly last: boolean;
  readonly discovery: ExtensionConfigSourceJson;
}

/** An entry of `http_filters` with `config_discovery`: what it creates is replaced when another configuration comes. */
export function compileDiscovered(
  { name, disabled, last, discovery }: DiscoveredItem,
  factories: readonly HttpFilterFactory[],
  context: ChainContext,
): ChainEntry {
  const { defaultConfig, typeUrls = [], applyDefaultConfigWithoutWarming } = discovery;
  if (applyDefaultConfigWithoutWarming === true && defaultConfig === undefined)
    throw refuse(
      "",
      `Error: filter config ${name} applied without warming but has no default config.`,
    );
  const types = typeUrls.map((url) => typeOf({ "@type": url }));
  for (const type of types)
    if (!factories.some(({ configType }) => configType === type))
      throw refuse("type_urls", `Error: no factory found for a required type URL ${type}.`);
  const make = (typedConfig: unknown, used: ChainContext): ChainEntry["create"] => {
    const type = typeOf(typedConfig);
    if (!types.includes(type))
      throw refuse("", `Error: filter config has type URL ${type} but expect ${types.join(", ")}.`);
    const factory = factoryFor(factories, typedConfig);
    return makeFilter(factory, { name, last, typedConfig }, used);
  };
  const missing =
    defaultConfig === undefined
      ? createMissing
      : within("default_config", () => make(defaultConfig, context));
  const entry = { name, disabled, create: missing };
  const { services } = context;
  services.extensions.use(extensionKey(name, discovery), {
    update: (config, slots) => {
      const own = slots === undefined ? services : { ...services, sharedSlots: slots };
      const create =
        config === undefined ? missing : make(config.typedConfig, { ...context, services: own });
      return () => {
        entry.create = create;
      };
    },
    onConflict: () => {
      if (services.workerIndex > 0) return;
      services.stats.counter(`${extensionStats(name)}config_conflict`).inc();
    },
  });
  return entry;
}

function createMissing(_stream: HttpStream): HttpFilter {
  return missingFilter;
}
