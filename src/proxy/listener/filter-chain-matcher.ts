import type { TypedExtensionConfigJson } from "#gen/xds/core/v3/extension_pb.js";
import type { MatcherJson } from "#gen/xds/type/matcher/v3/matcher_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { isLoopback } from "#net/address.ts";
import { compileMatcher, typeOfExtension } from "../matching/matcher-tree.ts";
import type { MatchInput } from "./filter-chain-match.ts";

type Read = (input: MatchInput) => string | undefined;

const inputs = "envoy.extensions.matching.common_inputs.network.v3";
const stringValue = "google.protobuf.StringValue";

const some = (text: string): string | undefined => (text === "" ? undefined : text);
const ip = ({ family, ip: text }: MatchInput["local"]): string | undefined =>
  family === "pipe" ? undefined : text;
const port = ({ family, port: number }: MatchInput["local"]): string | undefined =>
  family === "pipe" ? undefined : String(number);

const readers: Readonly<Record<string, Read>> = {
  [`${inputs}.DestinationIPInput`]: ({ local }) => ip(local),
  [`${inputs}.DestinationPortInput`]: ({ local }) => port(local),
  [`${inputs}.SourceIPInput`]: ({ remote }) => ip(remote),
  [`${inputs}.SourcePortInput`]: ({ remote }) => port(remote),
  [`${inputs}.DirectSourceIPInput`]: ({ directRemote }) => ip(directRemote),
  [`${inputs}.SourceTypeInput`]: ({ local, remote }) =>
    isLoopback(remote) || remote.ip === local.ip ? "local" : undefined,
  [`${inputs}.ServerNameInput`]: ({ serverName }) => some(serverName),
  [`${inputs}.TransportProtocolInput`]: ({ transportProtocol }) => some(transportProtocol),
  [`${inputs}.ApplicationProtocolInput`]: ({ applicationProtocols }) =>
    some(applicationProtocols.map((protocol) => `'${protocol}'`).join(",")),
};

/** A chain chosen by `filter_chain_matcher`, by its name. Throws ConfigError. */
export function compileFilterChainMatcher<C>(
  matcher: MatcherJson,
  chains: readonly { readonly chain: C; readonly name: string; readonly match: unknown }[],
  defaultChain: C | undefined,
): (input: MatchInput) => C | undefined {
  const byName = new Map<string, C>();
  compileEach("filter_chains", chains, ({ chain, name, match }) => {
    if (name === "") throw refuse("name", "filter chains with a filter_chain_matcher need names");
    if (byName.has(name)) throw refuse("name", `two filter chains are called '${name}'`);
    if (match !== undefined)
      throw refuse("filter_chain_match", "has no meaning beside filter_chain_matcher");
    byName.set(name, chain);
  });
  const tree = within("filter_chain_matcher", () =>
    compileMatcher(matcher, { input: compileInput, action: nameOf }),
  );
  return (input) => {
    const name = tree(input);
    return name === undefined ? defaultChain : byName.get(name);
  };
}

function compileInput(config: TypedExtensionConfigJson): Read {
  const type = typeOfExtension(config);
  const read = readers[type];
  if (read === undefined) throw refuse("typed_config", `${type} is not supported in a listener`);
  return read;
}

function nameOf(config: TypedExtensionConfigJson): string {
  const typed = config.typedConfig as { readonly value?: unknown } | undefined;
  if (typeOfExtension(config) !== stringValue || typeof typed?.value !== "string")
    throw refuse("typed_config", `must be a ${stringValue}: the name of a filter chain`);
  return typed.value;
}
