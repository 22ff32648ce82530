/** What Heddle supports: the tables of all modules in one. A field that is in none of them is refused by name. */
import { supported as accessLog } from "#proxy/access-log/supported.ts";
import { supported as router } from "#proxy/filters/http/router/supported.ts";
import { supported as connectionManager } from "#proxy/filters/network/http-connection-manager/supported.ts";
import type { SupportedFields } from "./check.ts";
import { supported as common } from "./common-supported.ts";

type Table = Readonly<Record<string, readonly string[]>>;

export const tables: readonly Table[] = [common, accessLog, connectionManager, router];

export const supportedFields: SupportedFields = merge(tables);

/** A type that several modules read has the fields of all of them. */
function merge(parts: readonly Table[]): SupportedFields {
  const merged = new Map<string, Set<string>>();
  for (const table of parts) {
    for (const [type, fields] of Object.entries(table)) {
      const known = merged.get(type) ?? new Set();
      for (const field of fields) known.add(field);
      merged.set(type, known);
    }
  }
  return merged;
}
