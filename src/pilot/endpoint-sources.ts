/** Endpoints that are looked up: ServiceEntries say where in an annotation, sources find them, the mesh has them. */
import type { Clock } from "#lib/clock.ts";
import type { Endpoint } from "#model/service.ts";
import type { Mesh } from "./mesh.ts";
import { dnsAddresses, dnsServices } from "./registries/dns/dns.ts";
import { systemLookup } from "./registries/dns/system-lookup.ts";
import {
  type EndpointSource,
  endpointsFromAnnotation,
  type FoundEndpoint,
  type Lookup,
} from "./registries/endpoint-source.ts";
import { targetFile } from "./registries/files/files.ts";
import type { ServiceEntry } from "./registries/service-entry/service-entry.ts";
import { noLocality } from "./registries/workload.ts";

/** A new kind of source is a line here. */
const sources: readonly EndpointSource[] = [dnsAddresses, dnsServices, targetFile];

export interface EndpointSourcesOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  /** The system's resolver when absent. */
  readonly lookup?: Lookup;
  /** ServiceEntries with sources; more are refused. 1,000 by default. */
  readonly sourcesMax?: number;
  log(level: "info" | "warning", message: string): void;
}

interface Running {
  readonly annotation: string;
  entry: ServiceEntry;
  found: readonly FoundEndpoint[];
  problem: string | undefined;
  stop(): void;
}

export class EndpointSources {
  readonly #options: EndpointSourcesOptions;
  readonly #lookup: Lookup;
  /** By `namespace/name` of the ServiceEntry. */
  readonly #running: Map<string, Running> = new Map();
  #stop: (() => void) | undefined;

  constructor(options: EndpointSourcesOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? systemLookup();
  }

  start(): void {
    const { mesh } = this.#options;
    this.#stop = mesh.watchObjects("ServiceEntry", (names) => this.#onEntries(names));
    this.#onEntries(
      mesh
        .objects()
        .filter(({ kind }) => kind === "ServiceEntry")
        .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    );
  }

  stop(): void {
    this.#stop?.();
    for (const key of [...this.#running.keys()]) this.#end(key);
  }

  /** What is wrong now: `ServiceEntry/namespace/name: …`. */
  get problems(): readonly string[] {
    return [...this.#running]
      .filter(([, { problem }]) => problem !== undefined)
      .map(([key, { annotation, problem }]) => `ServiceEntry/${key}: ${annotation}: ${problem}`);
  }

  #onEntries(names: readonly string[]): void {
    for (const key of names) {
      const [namespace = "", name = ""] = key.split("/", 2);
      const entry = this.#options.mesh.object("ServiceEntry", namespace, name);
      const annotation = entry?.metadata.annotations[endpointsFromAnnotation];
      const running = this.#running.get(key);
      if (entry === undefined || annotation === undefined) this.#end(key);
      else if (running?.annotation === annotation) {
        running.entry = entry;
        this.#register(key, running);
      } else {
        this.#end(key);
        this.#begin(key, entry, annotation);
      }
    }
  }

  #begin(key: string, entry: ServiceEntry, annotation: string): void {
    const { sourcesMax = 1_000, clock } = this.#options;
    const [scheme = "", rest] = splitOnce(annotation);
    const source = sources.find((candidate) => candidate.scheme === scheme);
    const running: Running = { annotation, entry, found: [], problem: undefined, stop: () => {} };
    if (this.#running.size >= sourcesMax) {
      this.#options.log("warning", `ServiceEntry/${key}: more than ${sourcesMax} sources`);
      return;
    }
    this.#running.set(key, running);
    if (source === undefined || rest === "" || entry.spec.resolution !== "STATIC") {
      this.#onProblem(key, running, refusal(source, rest));
      return;
    }
    running.stop = source.start(
      rest,
      {
        found: (endpoints) => {
          running.found = endpoints;
          this.#register(key, running);
        },
        problem: (message) => this.#onProblem(key, running, message),
      },
      { clock, lookup: this.#lookup },
    );
  }

  #end(key: string): void {
    const running = this.#running.get(key);
    if (running === undefined) return;
    running.stop();
    this.#running.delete(key);
    this.#options.mesh.registerEndpoints(`from ${key}`, []);
  }

  #onProblem(key: string, running: Running, message: string | undefined): void {
    const known = running.problem;
    running.problem = message;
    const what = `ServiceEntry/${key}: ${running.annotation}`;
    if (message !== undefined && message !== known) {
      this.#options.log("warning", `${what}: ${message}`);
    } else if (message === undefined && known !== undefined) {
      this.#options.log("info", `${what}: is found again`);
    }
  }

  #register(key: string, { entry, found }: Running): void {
    const { metadata, spec } = entry;
    this.#options.mesh.registerEndpoints(
      `from ${key}`,
      (spec.hosts ?? []).map((host) => ({
        hostname: host.toLowerCase(),
        namespace: metadata.namespace,
        endpoints: found.map((one) => endpointOf(one, entry)),
      })),
    );
  }
}

function refusal(source: EndpointSource | undefined, rest: string): string {
  const schemes = sources.map(({ scheme }) => `${scheme}:…`).join(", ");
  if (source === undefined) return `is none of ${schemes}`;
  return rest === "" ? "names nothing" : "needs a ServiceEntry with resolution STATIC";
}

function splitOnce(annotation: string): readonly [string, string] {
  const colon = annotation.indexOf(":");
  return colon < 0
    ? [annotation, ""]
    : [annotation.slice(0, colon), annotation.slice(colon + 1).trim()];
}

/** A port that the source found is the first one's of the entry. */
function endpointOf(found: FoundEndpoint, { metadata, spec }: ServiceEntry): Endpoint {
  const { address, port, labels, weight } = found;
  const ports = (spec.ports ?? []).map(
    ({ name = "", number = 0, targetPort }, index): [string, number] => [
      name,
      (index === 0 ? port : undefined) ?? (targetPort || number),
    ],
  );
  return {
    address,
    ports: Object.fromEntries(ports),
    labels,
    locality: noLocality,
    weight,
    health: "healthy",
    namespace: metadata.namespace,
    serviceAccount: "",
    network: "",
    clusterId: "",
    workloadName: "",
  };
}
