/** Envoy's `layered_runtime`: static layers, those of a control plane, and the one that `/runtime_modify` writes. A later layer wins. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { LayeredRuntimeJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Runtime } from "./runtime.ts";

/** One key of one layer: as text for `/runtime`, and what the readers make of it. */
interface Entry {
  readonly text: string;
  readonly number: number | undefined;
  readonly boolean: boolean | undefined;
  /** A FractionalPercent's share, 0 to 1. */
  readonly fraction: number | undefined;
}

export interface RuntimeListing {
  readonly layers: readonly string[];
  readonly entries: Readonly<
    Record<string, { readonly finalValue: string; readonly layerValues: readonly string[] }>
  >;
}

const adminKeysMax = 1000;
const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

interface Layer {
  readonly name: string;
  readonly admin: boolean;
  /** The RTDS resource that it is; undefined: none. */
  readonly resource: string | undefined;
  readonly entries: Map<string, Entry>;
}

/** `modify` changes what every later read sees; nothing that was read is revisited. */
export class LayeredRuntime implements Runtime {
  readonly #layers: readonly Layer[];
  /** The last layer's entry of each key. */
  #final = new Map<string, Entry>();

  constructor(config: LayeredRuntimeJson | undefined) {
    this.#layers = compileLayers(config);
    this.#merge();
  }

  static from(config: LayeredRuntimeJson | undefined): LayeredRuntime {
    return new LayeredRuntime(config);
  }

  number(key: string, absent: number): number {
    return this.#final.get(key)?.number ?? absent;
  }

  boolean(key: string, absent: boolean): boolean {
    return this.#final.get(key)?.boolean ?? absent;
  }

  featureEnabled(
    key: string | undefined,
    numerator: number,
    denominator: number,
    draw: number,
  ): boolean {
    const entry = key === undefined ? undefined : this.#final.get(key);
    if (entry !== undefined) {
      if (entry.fraction !== undefined) return draw < entry.fraction;
      const percent = entry.number;
      // Only whole numbers are a percentage; Envoy ignores others here.
      if (percent !== undefined && Number.isInteger(percent) && percent >= 0) {
        return draw < percent / 100;
      }
    }
    return draw < numerator / denominator;
  }

  get hasAdminLayer(): boolean {
    return this.#layers.some(({ admin }) => admin);
  }

  /** An empty value takes an override away. Returns what stopped it, in Envoy's words. */
  modify(values: ReadonlyMap<string, string>): string | undefined {
    const layer = this.#layers.find(({ admin }) => admin);
    if (layer === undefined) return "No admin layer specified";
    for (const [key, text] of values) {
      if (text === "") layer.entries.delete(key);
      else if (layer.entries.size >= adminKeysMax && !layer.entries.has(key)) {
        return `the admin layer has ${adminKeysMax} keys, and holds no more`;
      } else layer.entries.set(key, entryOf(text));
    }
    this.#merge();
    return undefined;
  }

  /** Replaces the admin layer whole: how workers get what the main thread was told. */
  setOverrides(values: Readonly<Record<string, string>>): void {
    const layer = this.#layers.find(({ admin }) => admin);
    layer?.entries.clear();
    this.modify(new Map(Object.entries(values)));
  }

  /** A layer that came by RTDS, whole. Throws ConfigError: what was there stays. */
  setLayer(resource: string, values: JsonObject): void {
    const layer = this.#layers.find((candidate) => candidate.resource === resource);
    if (layer === undefined) return;
    const entries = new Map<string, Entry>();
    addEntries(entries, "", values, "layer");
    layer.entries.clear();
    for (const [key, entry] of entries) layer.entries.set(key, entry);
    this.#merge();
  }

  /** The admin layer, for `setOverrides` elsewhere. */
  overrides(): Readonly<Record<string, string>> {
    const layer = this.#layers.find(({ admin }) => admin);
    return Object.fromEntries([...(layer?.entries ?? [])].map(([key, { text }]) => [key, text]));
  }

  /** What `/runtime` shows. */
  listing(): RuntimeListing {
    const entries: Record<string, { finalValue: string; layerValues: string[] }> = {};
    for (const key of [...this.#final.keys()].sort()) {
      const layerValues = this.#layers.map((layer) => layer.entries.get(key)?.text ?? "");
      entries[key] = { finalValue: this.#final.get(key)?.text ?? "", layerValues };
    }
    return { layers: this.#layers.map(({ name }) => name), entries };
  }

  #merge(): void {
    const final = new Map<string, Entry>();
    for (const layer of this.#layers) {
      for (const [key, entry] of layer.entries) final.set(key, entry);
    }
    this.#final = final;
  }
}

function compileLayers(config: LayeredRuntimeJson | undefined): readonly Layer[] {
  const names = new Set<string>();
  let admins = 0;
  return (config?.layers ?? []).map((layer, index) => {
    const path = `layered_runtime.layers[${index}]`;
    const name = layer.name ?? "";
    if (names.has(name)) throw refuse(`${path}.name`, `two layers are called "${name}"`);
    names.add(name);
    if (layer.diskLayer !== undefined) throw refuse(`${path}.disk_layer`, "is not supported");
    if (layer.adminLayer !== undefined && ++admins > 1) {
      throw refuse(path, "there can be one admin_layer only");
    }
    const entries = new Map<string, Entry>();
    addEntries(entries, "", layer.staticLayer ?? {}, `${path}.static_layer`);
    const { rtdsLayer } = layer;
    // Envoy's name for a layer that gives its resource none.
    const resource = rtdsLayer && (rtdsLayer.name || name);
    return { name, admin: layer.adminLayer !== undefined, resource, entries };
  });
}

/** Nested maps are keys with dots, but for a FractionalPercent, which is a value. */
function addEntries(
  entries: Map<string, Entry>,
  prefix: string,
  values: JsonObject,
  path: string,
): void {
  for (const [name, value] of Object.entries(values)) {
    const key = prefix === "" ? name : `${prefix}.${name}`;
    if (value === null || Array.isArray(value)) {
      throw refuse(`${path}.${name}`, "a runtime value is a number, a boolean, a string or a map");
    }
    if (typeof value !== "object") entries.set(key, entryOf(value));
    else if ("numerator" in value || "denominator" in value) entries.set(key, fractionOf(value));
    else addEntries(entries, key, value, `${path}.${name}`);
  }
}

function entryOf(value: string | number | boolean): Entry {
  const text = String(value);
  const number = text.trim() === "" || typeof value === "boolean" ? Number.NaN : Number(text);
  const word = text.toLowerCase();
  return {
    text,
    number: Number.isNaN(number) ? undefined : number,
    boolean: word === "true" ? true : word === "false" ? false : undefined,
    fraction: undefined,
  };
}

function fractionOf(value: { readonly [key: string]: JsonValue }): Entry {
  const denominator = denominators[String(value["denominator"] ?? "HUNDRED")] ?? 100;
  const fraction = Number(value["numerator"] ?? 0) / denominator;
  return { text: JSON.stringify(value), number: undefined, boolean: undefined, fraction };
}
