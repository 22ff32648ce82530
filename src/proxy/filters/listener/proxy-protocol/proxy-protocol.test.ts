import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cuts, FakeAcceptedSocket, feed } from "../../../../../testkit/accepted-socket.ts";
import { proxyHeader2, tlv } from "../../../../../testkit/proxy-header.ts";
import { ProxyOptions, proxyOptionsKey } from "../../../proxy-options.ts";
import { WorkerStats } from "../../../stats/worker-stats.ts";
import { ProxyProtocol, type ProxyProtocolSettings } from "./proxy-protocol.ts";

function filterWith(settings: Partial<ProxyProtocolSettings> = {}): ProxyProtocol {
  return new ProxyProtocol({
    rules: new Map(),
    rulesTarget: "DYNAMIC_METADATA",
    allowWithout: false,
    disallowed: new Set(),
    passes: () => false,
    scope: new WorkerStats(() => undefined).scope("proxy_proto."),
    ...settings,
  });
}

const rules = new Map([
  [2, { namespace: "ns", key: "authority" }],
  [5, { namespace: "ns", key: "id" }],
]);
const withTlvs = proxyHeader2({ tlvs: [tlv(2, "a"), tlv(9, "z"), tlv(5, "b"), tlv(2, "again")] });

describe("PROXY protocol filter", () => {
  test("takes addresses and consumes the header, however it is cut", () => {
    for (const pieces of cuts(withTlvs)) {
      const socket = new FakeAcceptedSocket();
      const verdict = feed(filterWith(), socket, pieces);
      assert.deepEqual(verdict, { verdict: "done", consumed: withTlvs.length });
      assert.equal(socket.remote.ip, "1.2.3.4");
      assert.equal(socket.local.port, 80);
      assert.equal(socket.localRestored, true);
    }
  });

  test("TLVs go to dynamic metadata by rule, the first of a type wins", () => {
    const socket = new FakeAcceptedSocket();
    feed(filterWith({ rules }), socket, [withTlvs]);
    assert.deepEqual(socket.dynamicMetadata, { ns: { authority: "a", id: "b" } });
  });

  test("or to filter state, where the last wins", () => {
    const socket = new FakeAcceptedSocket();
    feed(filterWith({ rules, rulesTarget: "FILTER_STATE" }), socket, [withTlvs]);
    assert.deepEqual(socket.dynamicMetadata, {});
    assert.deepEqual(socket.filterState.get("envoy.network.proxy_protocol.tlv"), {
      authority: "again",
      id: "b",
    });
  });

  test("what may pass on to the upstream is kept", () => {
    const socket = new FakeAcceptedSocket();
    feed(filterWith({ passes: (type) => type === 9 }), socket, [withTlvs]);
    const options = socket.filterState.get(proxyOptionsKey);
    assert.ok(options instanceof ProxyOptions);
    assert.deepEqual(
      options.tlvs.map(({ type }) => type),
      [9],
    );
    assert.equal(JSON.stringify(options), undefined);
  });

  test("a text that is not UTF-8 stays one", () => {
    const socket = new FakeAcceptedSocket();
    feed(filterWith({ rules }), socket, [proxyHeader2({ tlvs: [tlv(2, "a\xffb\0")] })]);
    assert.deepEqual(socket.dynamicMetadata, { ns: { authority: "a!b\0" } });
  });

  test("LOCAL leaves everything as it is", () => {
    const socket = new FakeAcceptedSocket();
    const header = proxyHeader2({ versionCommand: 0x20, tlvs: [tlv(2, "a")] });
    feed(filterWith({ rules }), socket, [header]);
    assert.equal(socket.remote, socket.directRemote);
    assert.equal(socket.localRestored, false);
    assert.deepEqual(socket.dynamicMetadata, {});
  });

  test("no header closes, unless it is allowed", () => {
    const text = Buffer.from("GET / HTTP/1.1\r\n");
    const verdictOf = (allowWithout: boolean) =>
      feed(filterWith({ allowWithout }), new FakeAcceptedSocket(), [text])?.verdict;
    assert.equal(verdictOf(false), "close");
    assert.equal(verdictOf(true), "done");
  });

  test("a disallowed version closes, or is payload where no header is needed", () => {
    const disallowed = new Set<1 | 2>([2]);
    const verdictOf = (allowWithout: boolean) =>
      feed(filterWith({ allowWithout, disallowed }), new FakeAcceptedSocket(), [withTlvs]);
    assert.deepEqual(verdictOf(false), { verdict: "close", consumed: 0 });
    assert.deepEqual(verdictOf(true), { verdict: "done", consumed: 0 });
  });
});
