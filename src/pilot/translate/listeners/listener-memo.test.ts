import assert from "node:assert/strict";
import { test } from "node:test";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { ProxyNode } from "#model/node.ts";
import { nodeOf, objectsOf } from "../../../../testkit/view-of.ts";
import { meshState } from "../../state/mesh-state.ts";
import { proxyView } from "../../views.ts";
import { generateListeners } from "./generate.ts";

const yaml = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db, namespace: default }
spec:
  hosts: [db.example]
  addresses: [10.1.0.1]
  ports: [{ number: 5432, name: sql, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 10.2.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: any, namespace: default }
spec:
  hosts: [any.example]
  addresses: [10.1.0.2]
  ports: [{ number: 7000, name: any }]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web, namespace: default }
spec: { hosts: [web.example], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: any, namespace: default }
spec:
  host: any.example
  exportTo: ["."]
  trafficPolicy: { connectionPool: { tcp: { idleTimeout: 7s } } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db, namespace: default }
spec:
  hosts: [db.example]
  tcp: [{ match: [{ sourceLabels: { app: moved } }], route: [{ destination: { host: any.example, port: { number: 7000 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: closed }
spec:
  egress: [{ hosts: ["*/*"] }]
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
`;

const state = meshState({ objects: objectsOf(yaml) });

interface Listeners {
  readonly db: ListenerJson;
  readonly any: ListenerJson;
  readonly web: ListenerJson;
}

function listenersOf(node: Partial<ProxyNode>): Listeners {
  const listeners = generateListeners(proxyView(state, nodeOf(node)));
  const db = listeners.find(({ name }) => name === "10.1.0.1_5432");
  const any = listeners.find(({ name }) => name === "10.1.0.2_7000");
  const web = listeners.find(({ name }) => name === "0.0.0.0_80");
  assert(db && any && web);
  return { db, any, web };
}

test("scopes that see the same of a service share its listener", () => {
  assert.equal(listenersOf({ namespace: "one" }).any, listenersOf({ namespace: "other" }).any);
});

test("a DestinationRule that only some see makes another listener", () => {
  const own = JSON.stringify(listenersOf({ namespace: "default" }).any);
  const others = JSON.stringify(listenersOf({ namespace: "one" }).any);
  assert.match(own, /"idleTimeout":"7s"/);
  assert.doesNotMatch(others, /idleTimeout/);
});

test("with routes of its own a service's listener is each scope's", () => {
  const stays = JSON.stringify(listenersOf({ labels: { app: "web" } }).db);
  const moved = JSON.stringify(listenersOf({ labels: { app: "moved" } }).db);
  assert.match(stays, /outbound\|5432\|\|db\.example/);
  assert.match(moved, /outbound\|7000\|\|any\.example/);
});

test("what a proxy says of itself is not another one's", () => {
  const namespace = "one";
  const usual = JSON.stringify(listenersOf({ namespace }).any);
  const patient = JSON.stringify(listenersOf({ namespace, metadata: { IDLE_TIMEOUT: "9s" } }).any);
  const old = JSON.stringify(listenersOf({ namespace, metadata: { HTTP10: "1" } }).any);
  assert.match(patient, /"idleTimeout":"9s"/);
  assert.match(old, /acceptHttp10/);
  assert.doesNotMatch(usual, /acceptHttp10|idleTimeout/);
});

test("what nobody registered is closed where the Sidecar says so", () => {
  const open = JSON.stringify(listenersOf({ namespace: "one" }).web);
  const closed = JSON.stringify(listenersOf({ namespace: "closed" }).web);
  assert.match(open, /"cluster":"PassthroughCluster"/);
  assert.match(closed, /"cluster":"BlackHoleCluster"/);
});
