import type {
  RateLimit_HitsAddendJson,
  RateLimitJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileTextFormat } from "../access-log/formatter.ts";
import { parseFormat } from "../access-log/parse-format.ts";
import { compileRateLimitActions, type DescriptorEntry, type DescriptorSource } from "./actions.ts";

/** One `envoy.config.route.v3.RateLimit`. */
export interface RateLimit {
  readonly stage: number;
  /** The runtime key that may switch it off; "" for none. */
  readonly disableKey: string;
  /** The descriptor; undefined when one of its actions has nothing to say. */
  readonly entries: (source: DescriptorSource) => readonly DescriptorEntry[] | undefined;
  /** `hits_addend`: what the request costs; undefined: no number can be made of it. Absent: it costs 1. */
  readonly cost: ((source: DescriptorSource) => number | undefined) | undefined;
}

/** The limits that a route brings with it. */
export interface RouteRateLimits {
  readonly route: readonly RateLimit[];
  readonly virtualHost: readonly RateLimit[];
  readonly includeVirtualHost: boolean;
}

const costMax = 1e9;

export function compileRateLimits(
  path: string,
  configs: readonly RateLimitJson[] | undefined,
  nodeCluster: string,
): readonly RateLimit[] {
  return compileEach(path, configs, (config) => {
    const actions = compileRateLimitActions(config.actions, nodeCluster);
    const { hitsAddend } = config;
    return {
      stage: config.stage ?? 0,
      disableKey: config.disableKey ?? "",
      entries: (source: DescriptorSource) => {
        const entries: DescriptorEntry[] = [];
        for (const action of actions) {
          const entry = action(source);
          if (entry === undefined) return undefined;
          if (entry !== "skip") entries.push(entry);
        }
        return entries;
      },
      cost:
        hitsAddend === undefined ? undefined : within("hits_addend", () => compileCost(hitsAddend)),
    };
  });
}

function compileCost(
  config: RateLimit_HitsAddendJson,
): (source: DescriptorSource) => number | undefined {
  const { number, format = "" } = config;
  if ((number === undefined) === (format === ""))
    throw refuse("", "hits_addend must contain either a format or a number");
  if (number !== undefined) return () => Number(number);
  const parts = parseFormat(format);
  if (parts.length !== 1 || typeof parts[0] === "string")
    throw refuse("format", "hits_addend format must contain exactly one substitution");
  const print = compileTextFormat(format);
  return ({ info }) => {
    const text = print(info);
    const cost = text.trim() === "" ? Number.NaN : Number(text);
    return cost >= 0 && cost <= costMax ? Math.floor(cost) : undefined;
  };
}
