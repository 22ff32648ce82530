import type { HostPort } from "#agent/bootstrap.ts";
import type { ConfigObject } from "#model/object.ts";
import { type ControlPlane, ControlPlaneError } from "./control-plane.ts";
import { type ApiClient, ApiError } from "./objects/api-client.ts";

/** A Pilot of another process, by its API. */
export class RemoteControlPlane implements ControlPlane {
  readonly discovery: HostPort;
  readonly #client: ApiClient;
  readonly #author: string;

  /** Throws ControlPlaneError: nobody answers, or it is none. */
  static async connect(client: ApiClient, author: string): Promise<RemoteControlPlane> {
    const port = await orError(client.discoveryPort());
    const { hostname } = new URL(client.server);
    const host = hostname === "localhost" ? "127.0.0.1" : hostname.replace(/^\[|\]$/g, "");
    return new RemoteControlPlane(client, { host, port }, author);
  }

  private constructor(client: ApiClient, discovery: HostPort, author: string) {
    this.#client = client;
    this.discovery = discovery;
    this.#author = author;
  }

  async apply(objects: readonly ConfigObject[]): Promise<void> {
    const files = objects.map(({ apiVersion, kind, metadata, spec }) => {
      const { name, namespace, labels } = metadata;
      const text = JSON.stringify({
        ...{ apiVersion, kind, spec },
        metadata: { name, namespace, labels },
      });
      return { name: `heddle run ${name}`, text };
    });
    const request = { files, author: this.#author, message: "heddle run" };
    await orError(this.#client.post("/apply", request));
  }

  async leave(nodeId: string): Promise<void> {
    await orError(this.#client.report(nodeId, "leave"));
  }

  async setHealth(nodeId: string, healthy: boolean): Promise<void> {
    await orError(this.#client.report(nodeId, healthy ? "healthy" : "unhealthy"));
  }

  async stop(): Promise<void> {}
}

async function orError<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    throw new ControlPlaneError([cause.message, ...cause.problems].join("\n  "), { cause });
  }
}
