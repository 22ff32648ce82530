import assert from "node:assert/strict";
import { test } from "node:test";
import { apart, type Chain, chainMatch } from "./chain.ts";

const chain: Chain = { filters: [], rules: [] };

test("any server name is no condition", () => {
  assert.equal(chainMatch({ sniHosts: ["a.example.com", "*"] }), undefined);
  assert.deepEqual(chainMatch({ sniHosts: ["b", "a"] }), { serverNames: ["a", "b"] });
});

test("a name that an older chain has is taken from the later one", () => {
  const messages: string[] = [];
  const first = { ...chain, sniHosts: ["a", "b"] };
  const second = { ...chain, sniHosts: ["b", "c"] };
  const kept = apart([first, second], (message) => messages.push(message));
  assert.deepEqual(
    kept.map(({ sniHosts }) => sniHosts),
    [["a", "b"], ["c"]],
  );
  assert.deepEqual(messages, ["a service: an older rule takes b"]);
});

test("a chain with nothing of its own is left out", () => {
  const messages: string[] = [];
  const kept = apart([{ ...chain }, { ...chain }], (message) => messages.push(message));
  assert.equal(kept.length, 1);
  assert.deepEqual(messages, ["a service: an older rule takes the same connections"]);
});

test("chains that another condition tells apart may share a name", () => {
  const first = { ...chain, sniHosts: ["a"], applicationProtocols: ["istio"] };
  const second = { ...chain, sniHosts: ["a"], destinationCidrs: ["10.0.0.0/8"] };
  assert.equal(apart([first, second, { ...chain, sniHosts: ["a"] }], assert.fail).length, 3);
});
