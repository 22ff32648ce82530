import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { nodeOf, objectsOf } from "../../testkit/view-of.ts";
import { EndpointSources } from "./endpoint-sources.ts";
import { Mesh } from "./mesh.ts";
import type { AddressRecord } from "./registries/endpoint-source.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { proxyView } from "./views.ts";

const entry = (annotation: string, resolution = "STATIC"): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, annotations: {heddle.dev/endpoints-from: "${annotation}"}}
spec:
  hosts: [api.example]
  resolution: ${resolution}
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
`;

function setUp() {
  const clock = new FakeClock();
  const mesh = new Mesh();
  const store = new MemoryStore({ clock });
  mesh.follow(store);
  const log: string[] = [];
  const asked: string[] = [];
  let answer: PromiseWithResolvers<readonly AddressRecord[]> = Promise.withResolvers();
  const sources = new EndpointSources({
    mesh,
    clock,
    sourcesMax: 1,
    log: (_, message) => log.push(message),
    lookup: {
      addresses: (name) => {
        asked.push(name);
        return answer.promise;
      },
      services: () => Promise.resolve([]),
    },
  });
  sources.start();
  return {
    mesh,
    sources,
    log,
    asked,
    clock,
    apply: (yaml: string) =>
      store.change({
        author: "",
        message: "",
        set: objectsOf(yaml).map((object) => ({ object })),
      }),
    remove: (key: string) => store.change({ author: "", message: "", remove: [{ key }] }),
    answer: async (...addresses: readonly string[]): Promise<void> => {
      const { resolve } = answer;
      answer = Promise.withResolvers();
      resolve(addresses.map((address) => ({ address, ttlSeconds: 10 })));
      await new Promise((next) => setImmediate(next));
    },
    endpoints: (): readonly unknown[] => {
      const { scope } = proxyView(mesh.state(), nodeOf());
      return scope.services.flatMap((service) =>
        scope.endpoints(service).map(({ address, ports }) => [address, ports["http"]]),
      );
    },
  };
}

test("a ServiceEntry's annotation says where its endpoints are looked up, as long as it is there", async () => {
  const { apply, remove, answer, endpoints, asked, clock } = setUp();
  apply(entry("dns:api.internal"));
  assert.deepEqual(asked, ["api.internal"]);
  assert.deepEqual(endpoints(), []);
  await answer("10.0.0.1");
  assert.deepEqual(endpoints(), [["10.0.0.1", 8080]]);
  apply(entry("dns:api.internal").replace("8080", "9090"));
  assert.deepEqual(endpoints(), [["10.0.0.1", 9090]], "the entry changed, what was found did not");
  clock.advance(10_000);
  await answer("10.0.0.2");
  assert.deepEqual(endpoints(), [["10.0.0.2", 9090]]);
  apply(entry("dns:other.internal"));
  assert.deepEqual(endpoints(), []);
  await answer("10.0.0.3");
  assert.deepEqual(asked.at(-1), "other.internal");
  assert.deepEqual(endpoints(), [["10.0.0.3", 8080]]);
  remove("ServiceEntry/default/api");
  assert.deepEqual(endpoints(), []);
  assert.equal(clock.waiting, 0);
});

test("what cannot be looked up is named", () => {
  const { apply, sources, log } = setUp();
  apply(entry("consul:api"));
  assert.deepEqual(sources.problems, [
    "ServiceEntry/default/api: consul:api: is none of dns:…, srv:…, file:…",
  ]);
  apply(entry("dns:"));
  assert.deepEqual(sources.problems, ["ServiceEntry/default/api: dns:: names nothing"]);
  apply(entry("dns:api.internal", "DNS"));
  assert.match(sources.problems[0] ?? "", /needs a ServiceEntry with resolution STATIC/);
  apply(entry("dns:api.internal").replace("name: api,", "name: second,"));
  assert.match(log.at(-1) ?? "", /more than 1 sources/);
});
