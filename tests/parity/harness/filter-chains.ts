import assert from "node:assert/strict";
import { alpn, hello, serverName } from "../../../testkit/client-hello.ts";
import { echo } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import { type CaseConfig, fileAccessLog, type JsonObject, listener } from "./config.ts";
import type { CaseContext } from "./context.ts";
import { filter, text, toEcho } from "./listener-filters.ts";

/** A connection as the filters see it: addresses by a PROXY header, names by a ClientHello. */
export interface Visit {
  readonly from?: string;
  readonly to?: string;
  readonly name?: string;
  readonly protocols?: readonly string[];
  /** The chain it takes; undefined: none. */
  readonly takes: string | undefined;
}

export interface ChainsCase {
  readonly name: string;
  readonly chains: Readonly<Record<string, JsonObject>>;
  readonly hasDefault?: boolean;
  /** `filter_chain_matcher`. */
  readonly matcher?: JsonObject;
  readonly visits: readonly Visit[];
}

const range = (network: string): JsonObject => {
  const [address_prefix = "", bits = "0"] = network.split("/");
  return { address_prefix, prefix_len: Number(bits) };
};
export const ranges = (...networks: readonly string[]): readonly JsonObject[] =>
  networks.map(range);

function header({ from = "9.9.9.9:9", to = "8.8.8.8:8" }: Visit): string {
  const [source, destination] = [from, to].map((it) => [
    it.slice(0, it.lastIndexOf(":")),
    it.slice(it.lastIndexOf(":") + 1),
  ]);
  const family = from.includes("::") ? "TCP6" : "TCP4";
  return `PROXY ${family} ${source?.[0]} ${destination?.[0]} ${source?.[1]} ${destination?.[1]}\r\n`;
}

/** A visit that names nothing speaks plain text. */
function payload({ name, protocols }: Visit): string {
  if (name === undefined && protocols === undefined) return "plain text\n";
  return text(
    hello(
      ...(name === undefined ? [] : [serverName(name)]),
      ...(protocols === undefined ? [] : [alpn(...protocols)]),
    ),
  );
}

async function visit(t: CaseContext, it: Visit): Promise<void> {
  const client = await t.connect();
  await client.write(header(it) + payload(it));
  if (it.takes === undefined) await client.ended();
  else await client.readThrough(payload(it));
  client.close();
}

const filterChain = (name: string, filter_chain_match: JsonObject): JsonObject => ({
  name,
  filter_chain_match,
  filters: [toEcho],
});

export const chainsConfig = ({
  chains,
  hasDefault = false,
  matcher,
}: Omit<ChainsCase, "name" | "visits">): CaseConfig => ({
  listeners: [
    listener([], {
      listener_filters: [
        filter("proxy_protocol", "ProxyProtocol", { stat_prefix: "{case}" }),
        filter("tls_inspector", "TlsInspector"),
      ],
      access_log: [fileAccessLog("%FILTER_CHAIN_NAME% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%")],
      filter_chains: Object.entries(chains).map(([name, match]) =>
        matcher === undefined ? filterChain(name, match) : { name, filters: [toEcho] },
      ),
      ...(matcher === undefined ? {} : { filter_chain_matcher: matcher }),
      ...(hasDefault ? { default_filter_chain: { name: "default", filters: [toEcho] } } : {}),
    }),
  ],
});

export const chainsCase = ({ name, visits, ...rest }: ChainsCase): ParityCase => ({
  name,
  config: chainsConfig(rest),
  upstream: echo(),
  run: async (t) => {
    // One after the other: the log has no other mark of who is who.
    for (const [index, it] of visits.entries()) {
      await visit(t, it);
      const expected = it.takes === undefined ? "- NR filter_chain_not_found" : `${it.takes} - -`;
      assert.equal((await t.log(index + 1))[index], expected, `visit ${index}`);
    }
    const missed = visits.filter(({ takes }) => takes === undefined).length;
    await t.stats({ "listener.{case}.no_filter_chain_match": missed });
  },
});
