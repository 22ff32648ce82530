import type { HeaderList } from "#http/headers.ts";
import type { ResponseHead } from "#http/message.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import { httpDate } from "./http-date.ts";
import type { ManagerSettings } from "./settings.ts";

/** What the connection manager adds to every response, in Envoy's order, after the filters have seen it. */
export function completeResponseHead(
  head: ResponseHead,
  settings: ManagerSettings,
  info: StreamInfo,
): void {
  const { headers } = head;
  if (!headers.has("date"))
    headers.add("date", httpDate(info.startWallMs + info.responseStartMs - info.startMs));
  if (settings.serverTransformation === "OVERWRITE") headers.set("server", settings.serverName);
  else if (settings.serverTransformation === "APPEND_IF_ABSENT" && !headers.has("server")) {
    headers.add("server", settings.serverName);
  }
  if (settings.requestIdInResponse) {
    const id = info.requestHead?.headers.get("x-request-id");
    if (id !== undefined) headers.set("x-request-id", id);
  }
  if (settings.via !== "") appendVia(headers, settings.via);
  settings.setProxyStatus?.(head, info);
}

function appendVia(headers: HeaderList, via: string): void {
  const before = headers.get("via");
  if (before === undefined) headers.add("via", via);
  else headers.set("via", `${before}, ${via}`);
}
