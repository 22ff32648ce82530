/** What every registry does that makes services of objects. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withMeshDefaults } from "#model/mesh-config.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";
import { Graph } from "#pilot/collections/graph.ts";
import type { ObjectRegistry, RegistryCollections } from "#pilot/registries/registry.ts";
import { indexWorkloads } from "#pilot/registries/workload-index.ts";
import { type KindName, kindNames, kindOf, type Specs } from "#pilot/state/kinds.ts";
import { objectsOf } from "./view-of.ts";

/** A service as the registry's own objects write it. */
export interface RegistryWorld {
  /** A service `api` of the namespace with port 80 "http", that selects `app: api`; `exportTo`: for its own namespace only. */
  service(namespace: string, options?: { readonly exportTo?: "." }): string;
  readonly hostname: (namespace: string) => string;
}

const workload = (name: string, namespace: string, address: string, app = "api"): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: {address: ${address}, labels: {app: ${app}}}
`;

class Rig {
  readonly collections: RegistryCollections;
  readonly #graph: Graph = new Graph();
  readonly #sources: ReadonlyMap<KindName, ReturnType<Graph["source"]>>;

  constructor(registry: ObjectRegistry) {
    const graph = this.#graph;
    this.#sources = new Map(kindNames.map((kind) => [kind, graph.source(kind)]));
    const objects = <K extends KindName>(kind: K) =>
      // Only objects of the kind are put into it.
      this.#sources.get(kind)?.collection as ReturnType<
        typeof graph.source<ConfigObject<Specs[K]>>
      >["collection"];
    const mesh = graph.compute("mesh", () => withMeshDefaults({}));
    const defaultServiceExportTo = graph.compute("exportTo", (): readonly string[] => ["*"]);
    const [domain, clusterId] = ["cluster.local", "Kubernetes"];
    const workloads = indexWorkloads(graph, { objects, clusterId });
    this.collections = registry.build(graph, {
      ...{ objects, workloads, mesh, defaultServiceExportTo, domain, clusterId },
    });
  }

  set(yaml: string): void {
    this.#graph.transact(() => {
      for (const object of objectsOf(yaml)) this.#source(object).set(keyOf(object), object);
    });
  }

  remove(yaml: string): void {
    this.#graph.transact(() => {
      for (const object of objectsOf(yaml)) this.#source(object).delete(keyOf(object));
    });
  }

  #source(object: ConfigObject): ReturnType<Graph["source"]> {
    const kind = kindOf(object);
    const source = kind && this.#sources.get(kind);
    assert.ok(source, `${objectKey(object)} is of no kind that is read`);
    return source;
  }

  get services(): readonly string[] {
    const { services } = this.collections;
    return services.list().map(({ service }) => `${service.namespace}/${service.hostname}`);
  }

  get endpoints(): readonly unknown[] {
    return this.collections.endpoints
      .list()
      .flatMap(({ hostname, namespace, endpoints }) =>
        endpoints.map(({ address, ports }) => [`${namespace}/${hostname}`, address, ports]),
      );
  }
}

const keyOf = ({ metadata }: ConfigObject): string => `${metadata.namespace}/${metadata.name}`;

export function describeRegistry(registry: ObjectRegistry, world: RegistryWorld): void {
  describe(`registry ${registry.name}`, () => {
    const one = `one/${world.hostname("one")}`;

    test("a service is there as long as its object is, with the registry's name and the object", () => {
      const rig = new Rig(registry);
      rig.set(world.service("one") + world.service("two"));
      assert.deepEqual(rig.services, [one, `two/${world.hostname("two")}`]);
      const [registered] = rig.collections.services.list();
      assert.equal(registered?.service.registry, registry.name);
      assert.notEqual(registered.service.object, undefined);
      rig.remove(world.service("two"));
      assert.deepEqual(rig.services, [one]);
    });

    test("endpoints are the workloads of its namespace that it selects, as they come, change and go", () => {
      const rig = new Rig(registry);
      rig.set(world.service("one"));
      assert.deepEqual(rig.endpoints, []);
      rig.set(
        workload("a", "one", "10.0.0.1") +
          workload("b", "one", "10.0.0.2", "other") +
          workload("c", "two", "10.0.0.3"),
      );
      assert.deepEqual(rig.endpoints, [[one, "10.0.0.1", { http: 80 }]]);
      rig.set(workload("a", "one", "10.0.0.4") + workload("b", "one", "10.0.0.2"));
      assert.deepEqual(rig.endpoints, [
        [one, "10.0.0.4", { http: 80 }],
        [one, "10.0.0.2", { http: 80 }],
      ]);
      rig.remove(workload("a", "one", "") + workload("b", "one", ""));
      assert.deepEqual(rig.endpoints, []);
    });

    test("endpoints have the key of their service, and change without it", () => {
      const rig = new Rig(registry);
      rig.set(world.service("one") + workload("a", "one", "10.0.0.1"));
      const { services, endpoints } = rig.collections;
      assert.deepEqual([...endpoints.snapshot().keys()], [...services.snapshot().keys()]);
      const heard: string[] = [];
      services.subscribe(() => heard.push("services"));
      endpoints.subscribe(() => heard.push("endpoints"));
      rig.set(workload("a", "one", "10.0.0.9"));
      assert.deepEqual(heard, ["endpoints"]);
    });

    test("who may see a service: the mesh's default, or what its object says", () => {
      const rig = new Rig(registry);
      rig.set(world.service("one") + world.service("two", { exportTo: "." }));
      assert.deepEqual(
        rig.collections.services.list().map(({ service }) => service.exportTo),
        [["*"], ["."]],
      );
    });
  });
}
