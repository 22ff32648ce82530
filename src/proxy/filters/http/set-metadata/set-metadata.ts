import type { Counter } from "../../../stats/stats.ts";
import type { Json } from "../../../stream-info.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import { mergeFields } from "./merge.ts";

export interface MetadataEntry {
  readonly namespace: string;
  readonly value: { readonly [key: string]: Json };
  readonly allowOverwrite: boolean;
}

export interface EntrySet {
  readonly entries: readonly MetadataEntry[];
  readonly overwriteDenied: Counter;
}

/** Dynamic metadata as configured: that of the chain, then that of the most specific level of the route. */
export class SetMetadata implements HttpFilter {
  readonly #filterName: string;
  readonly #entries: EntrySet;

  constructor(filterName: string, entries: EntrySet) {
    this.#filterName = filterName;
    this.#entries = entries;
  }

  onRequestHead(stream: HttpStream): Verdict {
    applyEntries(this.#entries, stream);
    if (stream.route?.hasFilterConfigs === true) {
      const own = stream.routeConfig<EntrySet>(this.#filterName);
      if (own !== undefined) applyEntries(own, stream);
    }
    return "continue";
  }
}

function applyEntries({ entries, overwriteDenied }: EntrySet, stream: HttpStream): void {
  for (const { namespace, value, allowOverwrite } of entries) {
    const before = stream.info.dynamicMetadata?.[namespace];
    if (before === undefined) stream.setDynamicMetadata(namespace, value);
    else if (allowOverwrite) stream.setDynamicMetadata(namespace, mergeFields(before, value));
    else overwriteDenied.inc();
  }
}
