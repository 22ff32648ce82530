import type { IncomingMessage, ServerResponse } from "node:http";

/** A request that cannot be served, as RFC 9457 has it. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, title: string, details: Readonly<Record<string, unknown>> = {}) {
    super(title);
    this.status = status;
    this.details = details;
  }
}

export interface ApiRequest {
  readonly method: string;
  /** Without the prefix, decoded: `["objects", "VirtualService"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly ifMatch: string | undefined;
  /** Of a JSON body. Throws ApiProblem. */
  body(): Promise<Readonly<Record<string, unknown>>>;
}

export interface ApiAnswer {
  readonly status?: number;
  readonly json: unknown;
  readonly etag?: string;
  /** The file and line that it came from. */
  readonly source?: string | undefined;
}

/** All files of a large mesh at once. */
const bodyBytesMax = 64 * 1024 * 1024;

export async function readBody(
  request: IncomingMessage,
): Promise<Readonly<Record<string, unknown>>> {
  // A form on somebody's page can be posted here by a browser; one with this type cannot without asking.
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json\b/.test(type))
    throw new ApiProblem(415, "the body must be application/json");
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    // Proof: a stream without encoding gives buffers.
    pieces.push(piece as Buffer);
    size += (piece as Buffer).length;
    if (size > bodyBytesMax)
      throw new ApiProblem(413, `the body has more than ${bodyBytesMax} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : "";
    // biome-ignore lint/style/useErrorCause: the reason is in the message, which is all that leaves the process
    throw new ApiProblem(400, `the body is not JSON: ${reason}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ApiProblem(400, "the body must be an object");
  // Proof: just looked at.
  return value as Readonly<Record<string, unknown>>;
}

export function sendJson(
  response: ServerResponse,
  { status = 200, json, etag, source }: ApiAnswer,
): void {
  const body = `${JSON.stringify(json)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(etag === undefined ? {} : { etag: `"${etag}"` }),
    ...(source === undefined ? {} : { "heddle-source": encodeURI(source) }),
  });
  response.end(body);
}

export function sendProblem(
  response: ServerResponse,
  { status, message, details }: Pick<ApiProblem, "status" | "message" | "details">,
): void {
  const body = `${JSON.stringify({ status, title: message, ...details })}\n`;
  response.writeHead(status, {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

/**
 * The API has no passwords: whoever reaches it may change the mesh. A page in a browser must not, so names of other sites (DNS rebinding) are
 * refused: only addresses, this machine's own names and those that it was told.
 */
export function isOwnHost(host: string | undefined, names: ReadonlySet<string>): boolean {
  if (host === undefined) return false;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  if (/^\[[0-9a-f:.]+\]$/.test(name) || /^\d+(?:\.\d+){3}$/.test(name)) return true;
  return name === "localhost" || name.endsWith(".localhost") || names.has(name);
}
