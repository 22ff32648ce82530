import type { ConfigJson } from "#gen/envoy/extensions/filters/http/set_metadata/v3/set_metadata_pb.js";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { type EntrySet, type MetadataEntry, SetMetadata } from "./set-metadata.ts";

const type = "envoy.extensions.filters.http.set_metadata.v3.Config";

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.set_metadata",
  configType: type,
  routeConfigType: type,
  compile(config, { scope, filterName }) {
    const filter = new SetMetadata(filterName, entriesOf(config as ConfigJson, scope));
    return () => filter;
  },
  compileRoute: (config, services) => entriesOf(config as ConfigJson, services.stats),
};

function entriesOf(config: ConfigJson, scope: StatsScope): EntrySet {
  const { metadataNamespace = "", value, metadata = [] } = config;
  const entries: MetadataEntry[] = [];
  // The older form.
  if (metadataNamespace !== "" && value !== undefined)
    entries.push({ namespace: metadataNamespace, value, allowOverwrite: true });
  for (const entry of metadata) {
    if (entry.value === undefined) continue;
    entries.push({
      namespace: entry.metadataNamespace ?? "",
      value: entry.value,
      allowOverwrite: entry.allowOverwrite ?? false,
    });
  }
  return { entries, overwriteDenied: scope.counter("set_metadata.overwrite_denied") };
}
