import assert from "node:assert/strict";
import { test } from "node:test";
import type { Protocol } from "#model/service.ts";
import type { Chain } from "./chain.ts";
import { type Incoming, type ListenerProtocol, OutboundTable } from "./outbound-table.ts";

const binding = { bind: "0.0.0.0", port: 80, bindToPort: false };
const http: Chain = { filters: [], rules: [], transportProtocol: "raw_buffer" };
const tcp: Chain = { filters: [], rules: [] };

function incoming(
  hostname: string,
  protocol: ListenerProtocol,
  chains: readonly Chain[],
  spoken: Protocol = protocol === "http" ? "HTTP" : "TCP",
): Incoming {
  const port = { name: "", number: 80, protocol: spoken };
  return { binding, port, hostname, protocol, chains: () => chains, listener: () => ({}) };
}

function joined(...all: readonly Incoming[]): {
  chains: readonly Chain[] | undefined;
  refused: readonly (string | undefined)[];
} {
  const table = new OutboundTable();
  for (const one of all) table.add(one);
  const [entry] = table.entries();
  return {
    chains: entry?.chains ?? entry?.first.chains(),
    refused: table.problems.map(({ metric }) => metric),
  };
}

test("HTTP services share a listener", () => {
  const { chains, refused } = joined(incoming("a", "http", [http]), incoming("b", "http", [tcp]));
  assert.deepEqual(chains, [http]);
  assert.deepEqual(refused, []);
});

test("HTTP and TCP are told apart by what clients send", () => {
  const { chains } = joined(incoming("a", "http", [http]), incoming("b", "tcp", [tcp]));
  assert.deepEqual(chains, [http, tcp]);
});

test("of two that cannot be told apart the older wins, and it is counted", () => {
  const other: Chain = { ...tcp, destinationCidrs: ["10.0.0.0/8"] };
  const { chains, refused } = joined(
    incoming("a", "tcp", [tcp]),
    incoming("b", "tcp", [{ ...tcp }, other]),
  );
  assert.deepEqual(chains, [tcp, other]);
  assert.deepEqual(refused, ["pilot_conflict_outbound_listener_tcp_over_current_tcp"]);
});

test("bytes are not looked at where the server speaks first", () => {
  const { chains, refused } = joined(
    incoming("a", "tcp", [tcp], "MySQL"),
    incoming("b", "http", [http]),
  );
  assert.deepEqual(chains, [tcp]);
  assert.deepEqual(refused, ["pilot_conflict_outbound_listener_http_over_current_tcp"]);
});

test("nothing is added to a port that the Sidecar names", () => {
  const table = new OutboundTable();
  table.add(incoming("a", "http", [http]));
  table.lock();
  table.add(incoming("b", "tcp", [tcp]));
  assert.deepEqual(
    [...table.entries()].flatMap(({ first, chains }) => chains ?? first.chains()),
    [http],
  );
});
