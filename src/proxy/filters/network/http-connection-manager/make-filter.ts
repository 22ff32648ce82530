import { refuse, within } from "#lib/config-error.ts";
import type { Services } from "../../../services.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilter, HttpFilterFactory, HttpStream } from "../../http/filter.ts";

/** One entry of `http_filters`, compiled; ECDS replaces what it creates. */
export interface ChainEntry {
  readonly name: string;
  /** `disabled: true` in the chain: off unless a route turns it on. */
  readonly disabled: boolean;
  readonly create: (stream: HttpStream) => HttpFilter;
}

export interface ChainContext {
  readonly services: Services;
  readonly scope: StatsScope;
}

/** Throws ConfigError, also where its place is not the filter's: a terminal one ends the chain, and nothing else does. */
export function makeFilter(
  factory: HttpFilterFactory,
  item: { readonly name: string; readonly last: boolean; readonly typedConfig: unknown },
  context: ChainContext,
): ChainEntry["create"] {
  const { name, last, typedConfig } = item;
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
  return within("typed_config", () =>
    factory.compile(typedConfig, { ...context, filterName: name }),
  );
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
