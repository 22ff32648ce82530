import { reasonPhrase } from "#http/h1/encode.ts";

const byName = new Map<string, number>();
for (let status = 100; status < 600; status++)
  byName.set(reasonPhrase(status).replace(/[ -]/g, ""), status);

/** The number of an `envoy.type.v3.StatusCode`, whose names are reason phrases without spaces ("TooManyRequests"); 0 for none. */
export function statusOfName(name: string | undefined): number {
  return name === undefined || name === "Unknown" ? 0 : (byName.get(name) ?? 0);
}
