import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { userFolder } from "../user-folder.ts";

/** An object as the API writes it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface ApiChange {
  readonly key: string;
  readonly action: "created" | "configured" | "deleted";
  readonly before?: ApiObject;
  readonly after?: ApiObject;
}

export interface ApiRevision {
  readonly revision: number;
  readonly author: string;
  readonly message: string;
  readonly time: string;
  readonly changes: readonly ApiChange[];
  readonly unchanged?: readonly string[];
  readonly warnings?: readonly string[];
}

export interface Acknowledgement {
  readonly revision: number;
  readonly acked: readonly string[];
  readonly pending: readonly string[];
  readonly refused: readonly {
    readonly proxy: string;
    readonly type: string;
    readonly detail: string;
  }[];
}

/** The control plane says no, or is not there. */
export class ApiError extends Error {
  /** 0: it was not reached. */
  readonly status: number;
  readonly problems: readonly string[];

  constructor(
    message: string,
    options: ErrorOptions & { readonly status: number; readonly problems?: readonly string[] },
  ) {
    super(message, options);
    this.status = options.status;
    this.problems = options.problems ?? [];
  }
}

/** Where a running mesh says how it is reached; in its state folder. */
export const controlPlaneFile = "control-plane.json";
const stateFolder = ".heddle";
const defaultServer = "http://127.0.0.1:8080";

export interface FindServer {
  /** `--server` */
  readonly flag: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the command was started. */
  readonly folder: string;
}

/** The flag, HEDDLE_SERVER, a mesh that runs in this folder or one above, the one that was started last on this machine, and Pilot's own port. */
export function findServer({ flag, environment, folder }: FindServer): string {
  const named = flag ?? environment["HEDDLE_SERVER"];
  if (named !== undefined && named !== "") return named.replace(/\/$/, "");
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, stateFolder, controlPlaneFile);
    if (existsSync(file)) return serverIn(file) ?? defaultServer;
    if (dirname(at) === at) return serverIn(lastStarted()) ?? defaultServer;
  }
}

/** The mesh that was started last says so here, too, for commands in other folders. */
export function lastStarted(): string {
  return join(userFolder(), controlPlaneFile);
}

function serverIn(file: string): string | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    const api =
      typeof value === "object" && value !== null && "api" in value ? value.api : undefined;
    return typeof api === "string" ? api : undefined;
  } catch {
    // Half written, or of another version: the default may still be right.
    return undefined;
  }
}

/** Pilot's HTTP API. All methods reject with ApiError. */
export class ApiClient {
  readonly server: string;

  constructor(server: string) {
    this.server = server;
  }

  /** Proof of the casts below: the API's own description (/openapi.json), which its tests hold. */
  async list(query: Readonly<Record<string, string>>): Promise<readonly ApiObject[]> {
    const { json } = await this.#ask("GET", `/objects?${new URLSearchParams(query)}`);
    return (json as { readonly items: readonly ApiObject[] }).items;
  }

  async get(
    path: string,
  ): Promise<{ readonly object: ApiObject; readonly source: string | undefined }> {
    const { json, headers } = await this.#ask("GET", `/objects/${path}`);
    const source = headers.get("heddle-source");
    return { object: json as ApiObject, source: source === null ? undefined : decodeURI(source) };
  }

  async put(
    path: string,
    object: ApiObject,
    about: { readonly author: string; readonly version: string },
  ): Promise<ApiObject> {
    const body = { ...object, author: about.author, message: `edit ${path}` };
    return (await this.#ask("PUT", `/objects/${path}`, { body, ifMatch: about.version }))
      .json as ApiObject;
  }

  async post(path: string, body: object): Promise<ApiRevision> {
    return (await this.#ask("POST", path, { body })).json as ApiRevision;
  }

  async revisions(query: Readonly<Record<string, string>>): Promise<readonly ApiRevision[]> {
    const { json } = await this.#ask("GET", `/revisions?${new URLSearchParams(query)}`);
    return (json as { readonly items: readonly ApiRevision[] }).items;
  }

  async revision(number: string): Promise<ApiRevision> {
    return (await this.#ask("GET", `/revisions/${number}`)).json as ApiRevision;
  }

  async acknowledgement(revision: number, timeoutSeconds: number): Promise<Acknowledgement> {
    const path = `/revisions/${revision}/acknowledgement?timeout=${timeoutSeconds}`;
    return (await this.#ask("GET", path)).json as Acknowledgement;
  }

  /** The port of xDS. */
  async discoveryPort(): Promise<number> {
    const { json } = await this.#ask("GET", "/discovery");
    return (json as { readonly port: number }).port;
  }

  /** What somebody beside a workload has found out, or does with it. */
  async report(nodeId: string, action: "leave" | "healthy" | "unhealthy"): Promise<void> {
    await this.#ask("POST", `/workloads/${encodeURIComponent(nodeId)}/${action}`);
  }

  /** Each revision as it comes, until the control plane ends it or `signal` does. */
  async *watch(from: number, signal: AbortSignal): AsyncGenerator<ApiRevision> {
    const response = await this.#fetch(`/watch?from=${from}`, { signal });
    if (!response.ok || response.body === null) throw await errorOf(response);
    let text = "";
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) yield JSON.parse(data) as ApiRevision;
      }
    }
  }

  async #ask(
    method: string,
    path: string,
    { body, ifMatch }: { readonly body?: object; readonly ifMatch?: string } = {},
  ): Promise<{ readonly json: unknown; readonly headers: Headers }> {
    const response = await this.#fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(ifMatch === undefined ? {} : { "if-match": `"${ifMatch}"` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw await errorOf(response);
    return { json: await response.json(), headers: response.headers };
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.server}/api/v1${path}`, init);
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") throw error;
      const cause =
        error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
      const why = cause === "" ? "" : ` (${cause})`;
      throw new ApiError(
        `no control plane answers at ${this.server}${why}: start one with heddle up or heddle pilot, or name it with --server`,
        { status: 0, cause: error },
      );
    }
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  const { status } = response;
  try {
    const { title, problems } = JSON.parse(text) as { title?: unknown; problems?: unknown };
    return new ApiError(String(title), {
      status,
      problems: Array.isArray(problems) ? problems.map(String) : [],
    });
  } catch {
    return new ApiError(`the control plane answered ${status}: ${text.slice(0, 200)}`, { status });
  }
}
