/** A filter chain in the making: what it takes and what it does with it. */

import type { CidrRangeJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type {
  FilterChainMatchJson,
  FilterJson,
} from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { DownstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { Rule } from "../../provenance.ts";
import { cidrRange, maskedCidr } from "./cidr.ts";

export interface ChainMatch {
  readonly sniHosts?: readonly string[];
  readonly destinationCidrs?: readonly string[];
  readonly applicationProtocols?: readonly string[];
  readonly transportProtocol?: "raw_buffer" | "tls";
}

export interface Chain extends ChainMatch {
  readonly filters: readonly FilterJson[];
  readonly metadata?: MetadataJson;
  readonly tls?: DownstreamTlsContextJson;
  /** For clients that connect and do not go on; none without TLS. */
  readonly handshakeTimeout?: string;
  /** What was written that made it. */
  readonly rules: readonly Rule[];
}

/** What the HTTP inspector finds in plain text. */
export function httpProtocols(traits: { readonly http10: boolean }): readonly string[] {
  // Without http10 an HTTP/1.0 request would only be refused: as TCP it gets through.
  return traits.http10 ? ["http/1.0", "http/1.1", "h2c"] : ["http/1.1", "h2c"];
}

export function matchesAll(chain: ChainMatch): boolean {
  return (
    serverNames(chain).length === 0 &&
    (chain.applicationProtocols ?? []).length === 0 &&
    chain.transportProtocol === undefined &&
    (chain.destinationCidrs ?? []).length === 0
  );
}

/** A host `*` means any server name, so none is asked for. */
function serverNames({ sniHosts = [] }: ChainMatch): readonly string[] {
  return sniHosts.includes("*") ? [] : [...sniHosts].sort();
}

export function chainMatch(chain: ChainMatch): FilterChainMatchJson | undefined {
  if (matchesAll(chain)) return undefined;
  const names = serverNames(chain);
  const ranges = prefixRanges(chain);
  return {
    ...(ranges.length === 0 ? {} : { prefixRanges: [...ranges] }),
    ...(names.length === 0 ? {} : { serverNames: [...names] }),
    ...(chain.transportProtocol === undefined
      ? {}
      : { transportProtocol: chain.transportProtocol }),
    ...(chain.applicationProtocols === undefined
      ? {}
      : { applicationProtocols: [...chain.applicationProtocols] }),
  };
}

function prefixRanges({ destinationCidrs = [] }: ChainMatch): readonly CidrRangeJson[] {
  return [...destinationCidrs].sort().flatMap((text) => {
    const range = cidrRange(text);
    return range === undefined || range.addressPrefix === "0.0.0.0" ? [] : [range];
  });
}

/** Envoy refuses a listener with two chains of equal conditions. */
export function sameMatch(a: ChainMatch, b: ChainMatch): boolean {
  const conditions = new Set(matchedConditions(b));
  const own = matchedConditions(a);
  return own.length === conditions.size && own.every((condition) => conditions.has(condition));
}

/**
 * Without what an earlier chain takes already: Envoy refuses a listener where two chains share a condition, and one route that is written
 * twice must not cost all the others.
 */
export function apart(
  chains: readonly Chain[],
  onProblem: (message: string) => void,
): readonly Chain[] {
  const taken = new Set<string>();
  const isTaken = (chain: ChainMatch): boolean =>
    matchedConditions(chain).some((condition) => taken.has(condition));
  return chains.flatMap((chain) => {
    const kept = isTaken(chain) ? withNames(chain, (own) => !isTaken(own)) : chain;
    if (kept !== chain)
      onProblem(`${describe(chain)}: an older rule takes ${takenNames(chain, kept)}`);
    if (kept === undefined) return [];
    for (const condition of matchedConditions(kept)) taken.add(condition);
    return [kept];
  });
}

/** Undefined: no name is left, or it has none. */
function withNames(chain: Chain, keeps: (own: ChainMatch) => boolean): Chain | undefined {
  const sniHosts = serverNames(chain).filter((name) => keeps({ ...chain, sniHosts: [name] }));
  return sniHosts.length === 0 ? undefined : { ...chain, sniHosts };
}

function takenNames(chain: Chain, kept: Chain | undefined): string {
  const left = new Set(kept?.sniHosts);
  const names = serverNames(chain).filter((name) => !left.has(name));
  return names.length === 0 ? "the same connections" : names.join(", ");
}

function describe({ rules: [rule] }: Chain): string {
  if (rule === undefined) return "a service";
  const { kind, metadata } = rule.object;
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

/** Each combination of one value of each condition: as Envoy's search tree has them. */
function matchedConditions(chain: ChainMatch): readonly string[] {
  const names = serverNames(chain);
  const ranges = (chain.destinationCidrs ?? []).flatMap((text) => maskedCidr(text) ?? []);
  const protocols = chain.applicationProtocols ?? [];
  const some = (values: readonly string[]): readonly string[] =>
    values.length === 0 ? [""] : values;
  return some(ranges).flatMap((range) =>
    some(names).flatMap((name) =>
      some(protocols).map((protocol) =>
        JSON.stringify([range, name, chain.transportProtocol ?? "", protocol]),
      ),
    ),
  );
}
