import type { IncomingMessage, ServerResponse } from "node:http";
import { isOwnHost, sendJson } from "./http.ts";

/** What those who start proxies ask and say; `leave` resolves when callers know. */
export interface Joining {
  /** The port of xDS; undefined: it does not listen yet. */
  readonly discoveryPort: number | undefined;
  /** False: no such proxy is registered. */
  leave(nodeId: string): Promise<boolean>;
  setHealth(nodeId: string, healthy: boolean): boolean;
}

const workload = /^\/api\/v1\/workloads\/([^/]+)\/(leave|healthy|unhealthy)$/;

/**
 * `GET /api/v1/discovery` says where xDS is; `POST /api/v1/workloads/{node id}/leave|healthy|unhealthy` is how somebody beside a
 * workload reports on it. False: the path is somebody else's.
 */
export async function answerJoining(
  request: IncomingMessage,
  response: ServerResponse,
  joining: Joining,
): Promise<boolean> {
  const { url = "", method, headers } = request;
  const asked = url === "/api/v1/discovery" ? "discovery" : url.match(workload);
  if (asked === null) return false;
  const problem = (status: number, title: string): void =>
    sendJson(response, { status, json: { status, title } });
  const wanted = asked === "discovery" ? "GET" : "POST";
  if (!isOwnHost(headers.host, new Set()))
    problem(403, `this API is not called ${headers.host ?? "nothing"}`);
  else if (method !== wanted) problem(405, `${url} takes ${wanted}`);
  else if (asked === "discovery") answerDiscovery(response, joining);
  else {
    const [, encoded = "", action = ""] = asked;
    const nodeId = decoded(encoded);
    if (await report(nodeId, action, joining))
      sendJson(response, { json: { node: nodeId, action } });
    else problem(404, `no proxy ${nodeId} has registered itself`);
  }
  return true;
}

function answerDiscovery(response: ServerResponse, { discoveryPort }: Joining): void {
  if (discoveryPort === undefined)
    sendJson(response, { status: 503, json: { status: 503, title: "xDS is not served yet" } });
  else sendJson(response, { json: { port: discoveryPort } });
}

async function report(nodeId: string, action: string, joining: Joining): Promise<boolean> {
  if (action === "leave") return joining.leave(nodeId);
  return joining.setHealth(nodeId, action === "healthy");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It names nobody then.
    return text;
  }
}
