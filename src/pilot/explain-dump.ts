/** `/debug/explainz`: what a proxy has, and which rules decided it. */

type Keys = readonly (string | number)[];

/** A rule behind a part of a resource. */
export interface WrittenRule {
  /** The part: `["virtualHosts", 0, "routes", 1]`. */
  readonly at: Keys;
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly keys: Keys;
  /** Null: it was not read from a text. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

export interface ExplainedResource {
  readonly resource: object;
  readonly rules: readonly WrittenRule[];
}

/** What a client needs to say what happens to a proxy's calls: what the proxy has, and who decided it. */
export interface ExplainDump {
  readonly node: { readonly id: string; readonly type: string; readonly namespace: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly domain: string;
  /** What clients dial, by host name. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly listeners: readonly ExplainedResource[];
  readonly routes: readonly ExplainedResource[];
  readonly clusters: readonly ExplainedResource[];
}
