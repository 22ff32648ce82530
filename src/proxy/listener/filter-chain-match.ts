import type { FilterChainMatchJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import { type Address, isLoopback } from "#net/address.ts";
import { type Cidr, compileCidr, networkHas, parseIp } from "../matching/cidr.ts";

/** The facts about a connection by which its filter chain is chosen. */
export interface MatchInput {
  /** As the client meant it (restored by original_dst or PROXY protocol). */
  readonly local: Address;
  readonly remote: Address;
  readonly directRemote: Address;
  /** Lower case; "" when unknown. */
  readonly serverName: string;
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
}

interface Criteria<C> {
  readonly chain: C;
  readonly destinationPort: number | undefined;
  readonly destinations: readonly Cidr[];
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSources: readonly Cidr[];
  readonly sourceType: string;
  readonly sources: readonly Cidr[];
  readonly sourcePorts: readonly number[];
}

/** One step of the match: how well a chain's criterion fits; -1: it does not; 0: it asks nothing. */
interface Step {
  asks<C>(criteria: Criteria<C>): boolean;
  fit<C>(criteria: Criteria<C>, input: MatchInput): number;
}

/**
 * Envoy's order. After each step only the chains that fit it best remain, and there is no way back: a chain that asks for the right
 * port beats one that does not, even when it then fails on the server name.
 */
const steps: readonly Step[] = [
  {
    asks: (c) => c.destinationPort !== undefined,
    fit: (c, { local }) =>
      c.destinationPort === undefined ? 0 : c.destinationPort === local.port ? 1 : -1,
  },
  {
    asks: (c) => c.destinations.length > 0,
    fit: (c, { local }) => prefixFit(c.destinations, local),
  },
  {
    asks: (c) => c.serverNames.length > 0,
    fit: (c, { serverName }) => serverNameFit(c.serverNames, serverName),
  },
  {
    asks: (c) => c.transportProtocol !== "",
    fit: (c, { transportProtocol }) =>
      c.transportProtocol === "" ? 0 : c.transportProtocol === transportProtocol ? 1 : -1,
  },
  {
    asks: (c) => c.applicationProtocols.length > 0,
    fit: (c, input) => protocolFit(c.applicationProtocols, input.applicationProtocols),
  },
  {
    asks: (c) => c.directSources.length > 0,
    fit: (c, { directRemote }) => prefixFit(c.directSources, directRemote),
  },
  { asks: (c) => c.sourceType !== "ANY", fit: (c, input) => sourceTypeFit(c.sourceType, input) },
  { asks: (c) => c.sources.length > 0, fit: (c, { remote }) => prefixFit(c.sources, remote) },
  {
    asks: (c) => c.sourcePorts.length > 0,
    fit: (c, { remote }) =>
      c.sourcePorts.length === 0 ? 0 : c.sourcePorts.includes(remote.port) ? 1 : -1,
  },
];

/** Pure: `match` gives the chain, the default chain, or undefined. Throws ConfigError when two chains ask for the same. */
export function compileFilterChainMatch<C>(
  chains: readonly {
    readonly chain: C;
    readonly match: FilterChainMatchJson | undefined;
    readonly name: string;
  }[],
  defaultChain: C | undefined,
): (input: MatchInput) => C | undefined {
  const seen = new Map<string, string>();
  const compiled = compileEach("filter_chains", chains, ({ chain, match, name }) => {
    const key = JSON.stringify(match ?? {});
    const twin = seen.get(key);
    if (twin !== undefined)
      throw refuse("", `filter chain '${name}' has the same matching rules defined as '${twin}'`);
    seen.set(key, name);
    return compileCriteria(chain, match ?? {});
  });
  refuseOverlaps(compiled);
  const asked = steps.filter((step) => compiled.some((criteria) => step.asks(criteria)));
  const [only] = compiled;
  if (asked.length === 0) return () => only?.chain ?? defaultChain;
  return (input) => narrowed(compiled, asked, input)[0]?.chain ?? defaultChain;
}

/** Every chain that fits as well as the best: more than one of a listener that would be refused. For simulations. */
export function fittingFilterChains<C>(
  chains: readonly { readonly chain: C; readonly match: FilterChainMatchJson | undefined }[],
  input: MatchInput,
): readonly C[] {
  const compiled = chains.map(({ chain, match }) => compileCriteria(chain, match ?? {}));
  const asked = steps.filter((step) => compiled.some((criteria) => step.asks(criteria)));
  return narrowed(compiled, asked, input).map(({ chain }) => chain);
}

function narrowed<C>(
  all: readonly Criteria<C>[],
  asked: readonly Step[],
  input: MatchInput,
): readonly Criteria<C>[] {
  let left = all;
  for (const step of asked) {
    left = best(left, step, input);
    if (left.length === 0) return left;
  }
  return left;
}

function best<C>(all: readonly Criteria<C>[], step: Step, input: MatchInput): Criteria<C>[] {
  let top = -1;
  let kept: Criteria<C>[] = [];
  for (const criteria of all) {
    const fit = step.fit(criteria, input);
    if (fit < top || fit === -1) continue;
    if (fit > top) kept = [];
    top = fit;
    kept.push(criteria);
  }
  return kept;
}

function prefixFit(cidrs: readonly Cidr[], address: Address): number {
  if (cidrs.length === 0) return 0;
  // Not for each of many prefixes: addresses are parsed once.
  const ip = parseIp(address.ip);
  let longest = -1;
  if (ip === undefined) return longest;
  for (const cidr of cidrs)
    if (cidr.bits + 1 > longest && networkHas(cidr, ip)) longest = cidr.bits + 1;
  return longest;
}

/** An exact name beats any wildcard; of wildcards the longest wins. */
function serverNameFit(names: readonly string[], serverName: string): number {
  if (names.length === 0) return 0;
  let fit = -1;
  for (const name of names) {
    if (name === serverName) return Number.MAX_SAFE_INTEGER;
    if (
      name.startsWith("*.") &&
      serverName.length > name.length - 1 &&
      serverName.endsWith(name.slice(1))
    )
      fit = Math.max(fit, name.length);
  }
  return fit;
}

/** The protocol that the client names first decides. */
function protocolFit(wanted: readonly string[], offered: readonly string[]): number {
  if (wanted.length === 0) return 0;
  const at = offered.findIndex((protocol) => wanted.includes(protocol));
  return at === -1 ? -1 : offered.length - at;
}

function sourceTypeFit(type: string, input: MatchInput): number {
  if (type === "ANY") return 0;
  const same = isLoopback(input.remote) || input.remote.ip === input.local.ip;
  return same === (type === "SAME_IP_OR_LOOPBACK") ? 1 : -1;
}

function compileCriteria<C>(chain: C, match: FilterChainMatchJson): Criteria<C> {
  const serverNames = compileEach("filter_chain_match.server_names", match.serverNames, (name) => {
    if (name === "*" || (name.includes("*") && !/^\*\.[^*]+$/.test(name))) {
      throw refuse("", `partial wildcards are not supported in "server_names": ${name}`);
    }
    return name.toLowerCase();
  });
  return {
    chain,
    destinationPort: match.destinationPort,
    destinations: compileEach("filter_chain_match.prefix_ranges", match.prefixRanges, compileCidr),
    serverNames,
    transportProtocol: match.transportProtocol ?? "",
    applicationProtocols: match.applicationProtocols ?? [],
    directSources: compileEach(
      "filter_chain_match.direct_source_prefix_ranges",
      match.directSourcePrefixRanges,
      compileCidr,
    ),
    sourceType: String(match.sourceType ?? "ANY"),
    sources: compileEach(
      "filter_chain_match.source_prefix_ranges",
      match.sourcePrefixRanges,
      compileCidr,
    ),
    sourcePorts: match.sourcePorts ?? [],
  };
}

/** Two chains that could take one connection with equal right: Envoy refuses them. */
function refuseOverlaps<C>(all: readonly Criteria<C>[]): void {
  const keys = all.map(criteriaKeys);
  for (const [i, one] of keys.entries()) {
    for (let j = 0; j < i; j++) {
      const other = keys[j];
      if (other?.every((set, step) => meets(set, one[step])) === true)
        throw refuse(
          `filter_chains[${i}].filter_chain_match`,
          "multiple filter chains with overlapping matching rules are defined",
        );
    }
  }
}

function meets(one: ReadonlySet<string>, other: ReadonlySet<string> | undefined): boolean {
  for (const value of one) if (other?.has(value) === true) return true;
  return false;
}

/** What a chain asks at each step; asking nothing is a value like others. */
function criteriaKeys<C>(criteria: Criteria<C>): readonly ReadonlySet<string>[] {
  const { destinationPort, transportProtocol, sourceType } = criteria;
  const lists: readonly (readonly string[])[] = [
    [String(destinationPort)],
    criteria.destinations.map(cidrKey),
    criteria.serverNames,
    [transportProtocol],
    criteria.applicationProtocols,
    criteria.directSources.map(cidrKey),
    [sourceType],
    criteria.sources.map(cidrKey),
    criteria.sourcePorts.map(String),
  ];
  return lists.map((values) => new Set(values.length === 0 ? [""] : values));
}

function cidrKey({ family, words, bits }: Cidr): string {
  return `${family}/${words.join()}/${bits}`;
}
