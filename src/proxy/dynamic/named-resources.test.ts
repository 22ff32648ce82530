import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { endpointType } from "#xds/resource-type.ts";
import type { Interest, ResourceClient, Subscriber } from "#xds/subscriber.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { NamedResources } from "./named-resources.ts";

const source: ConfigSourceJson = { ads: {}, initialFetchTimeout: "0s" };

function started(accept?: () => Promise<void>) {
  const asked: Interest[] = [];
  const forgotten: string[] = [];
  let subscriber: Subscriber | undefined;
  const client: ResourceClient = {
    subscribe: (given) => {
      subscriber = given;
      return {
        set: (interest) => asked.push(interest),
        add: () => undefined,
        remove: () => undefined,
        close: () => undefined,
      };
    },
    start: () => undefined,
    close: () => undefined,
    state: "connected",
    dump: () => [],
  };
  const nothing = () => undefined;
  const sources = { of: () => client, check: nothing, start: nothing, close: nothing };
  const resources = new NamedResources<object>(endpointType, {
    sources,
    clock: new FakeClock(),
    forget: (name) => forgotten.push(name),
    ...(accept === undefined ? {} : { accept }),
  });
  const send = async (name: string): Promise<void> => {
    const resource = { name, version: "1", json: { clusterName: name }, ttlMs: undefined };
    await subscriber?.apply({ set: [resource], removed: [], version: "1" });
  };
  return { resources, asked, forgotten, send };
}

function watcher() {
  const got: unknown[] = [];
  return { got, onResource: (resource: object) => got.push(resource), onTimeout: () => undefined };
}

test("what is left and watched again in one turn is known, because it will not be sent again", async () => {
  const { resources, asked, forgotten, send } = started();
  const end = resources.watch(source, "a", watcher());
  await Promise.resolve();
  await send("a");
  const next = watcher();
  end();
  resources.watch(source, "a", next);
  assert.deepEqual(next.got, [{ clusterName: "a" }]);
  await Promise.resolve();
  assert.deepEqual(asked.at(-1), ["a"]);
  assert.deepEqual(forgotten, []);
});

test("what nobody watches any more is forgotten, and asked for when somebody does again", async () => {
  const { resources, asked, forgotten, send } = started();
  const end = resources.watch(source, "a", watcher());
  await Promise.resolve();
  await send("a");
  end();
  await Promise.resolve();
  assert.deepEqual(forgotten, ["a"]);
  const next = watcher();
  resources.watch(source, "a", next);
  await Promise.resolve();
  assert.deepEqual(next.got, []);
  assert.deepEqual(asked, [["a"], [], ["a"]]);
});

test("what everybody leaves while it is being taken is forgotten, and asked for when somebody watches again", async () => {
  const accepting = Promise.withResolvers<void>();
  const { resources, asked, forgotten, send } = started(() => accepting.promise);
  const end = resources.watch(source, "a", watcher());
  await Promise.resolve();
  const sent = send("a");
  end();
  await Promise.resolve();
  accepting.resolve();
  await sent;
  assert.deepEqual(forgotten, ["a"]);
  resources.watch(source, "a", watcher());
  await Promise.resolve();
  assert.deepEqual(asked.at(-1), ["a"]);
});
