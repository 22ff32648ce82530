/** A control plane in one process: stores, registrations, Pilot, and the API of configuration. */
import { mkdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { printObjectProblem } from "#model/documents.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Address } from "#net/address.ts";
import { ConfigApi } from "./api/config-api.ts";
import { answerJoining } from "./api/joining.ts";
import { AutoRegistration } from "./auto-registration.ts";
import { EndpointSources } from "./endpoint-sources.ts";
import { Mesh, type MeshOptions } from "./mesh.ts";
import { notEnforced } from "./not-enforced.ts";
import { PilotServer, type PilotServerOptions } from "./pilot-server.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { SqliteStore } from "./stores/sqlite/sqlite-store.ts";
import type { ConfigStore } from "./stores/store.ts";
import { openFolders } from "./stores.ts";

export interface ControlPlaneOptions
  extends MeshOptions,
    Omit<PilotServerOptions, "handle" | "mesh" | "onConnect"> {
  /** Where configuration and registrations are kept; undefined: as long as the process lives. */
  readonly stateFolder?: string | undefined;
  /** Files and folders of YAML, watched; what stands in them goes before what was applied. */
  readonly configPaths: readonly string[];
  /** How long a registration outlives its proxy's connection. */
  readonly graceMs?: number;
}

/** A workload that wants to go does not wait longer for those who call it. */
const leaveMs = 1_500;

export class ControlPlane {
  readonly mesh: Mesh;
  readonly server: PilotServer;
  readonly registration: AutoRegistration;
  readonly #store: ConfigStore;
  readonly #saved: ConfigStore;
  readonly #folders: ConfigStore;
  readonly #api: ConfigApi;
  readonly #sources: EndpointSources;
  #discoveryPort: number | undefined;

  /** Opens the stores; throws when one cannot be. */
  constructor(options: ControlPlaneOptions) {
    const { clock, configPaths, stateFolder, version, log, graceMs } = options;
    const open = (name: string): ConfigStore => {
      if (stateFolder === undefined) return new MemoryStore({ clock });
      mkdirSync(stateFolder, { recursive: true });
      return new SqliteStore({ clock, file: join(stateFolder, name) });
    };
    const onProblems = (problems: readonly string[]): void => {
      for (const problem of problems) log("error", problem);
    };
    this.#folders = openFolders({ clock, paths: configPaths, onProblems });
    this.#tellNotEnforced(log);
    this.#store = open("configuration.db");
    this.#saved = open("workloads.db");
    this.mesh = new Mesh(options);
    for (const store of [this.#folders, this.#store]) this.mesh.follow(store);
    this.registration = new AutoRegistration({
      ...{ mesh: this.mesh, clock, log, saved: this.#saved, controller: "heddle-pilot" },
      ...(graceMs === undefined ? {} : { graceMs }),
    });
    this.registration.start();
    this.#sources = new EndpointSources({ mesh: this.mesh, clock, log });
    this.#api = new ConfigApi({
      store: this.#store,
      readOnly: [this.#folders, this.#saved],
      version,
      // A change is in the mesh before the API answers: what is there now is that change, or later.
      acknowledged: (_revision, timeoutMs) =>
        this.server.pilot.acknowledged(this.server.pilot.revision, timeoutMs),
    });
    this.server = new PilotServer({
      ...options,
      mesh: this.mesh,
      onConnect: (node) => this.registration.connect(node),
      handle: (request, response) => this.#handle(request, response),
    });
  }

  /** The API refuses them; a folder has them already. */
  #tellNotEnforced(log: ControlPlaneOptions["log"]): void {
    const tell = (object: ConfigObject | undefined): void => {
      for (const problem of object === undefined ? [] : notEnforced(object))
        log("error", printObjectProblem(problem));
    };
    this.#folders.list().forEach(tell);
    this.#folders.watch(({ changes }) => {
      for (const { after } of changes) tell(after);
    });
  }

  async start(): Promise<{ readonly grpc: Address; readonly http: Address }> {
    this.#sources.start();
    const bound = await this.server.start();
    this.#discoveryPort = bound.grpc.port;
    return bound;
  }

  /** Writes these; those that are the same already are left alone. */
  apply(
    objects: readonly ConfigObject[],
    why: { readonly author: string; readonly message: string },
  ): void {
    this.#store.change({ set: objects.map((object) => ({ object })), ...why });
  }

  /** Nothing new for the workload of this proxy; resolves when its callers have heard of it, or have had the time to. */
  async leave(nodeId: string): Promise<boolean> {
    if (!this.registration.drain(nodeId)) return false;
    const { pilot } = this.server;
    await pilot.acknowledged(pilot.revision, leaveMs);
    return true;
  }

  async stop(graceMs: number): Promise<void> {
    this.#api.close();
    this.#sources.stop();
    this.registration.stop();
    await this.server.stop(graceMs);
    for (const store of [this.#folders, this.#store, this.#saved]) store.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { registration } = this;
    const taken = await answerJoining(request, response, {
      discoveryPort: this.#discoveryPort,
      leave: (nodeId) => this.leave(nodeId),
      setHealth: (nodeId, healthy) => registration.reportHealth(nodeId, healthy),
    });
    return taken || this.#api.handle(request, response);
  }
}
