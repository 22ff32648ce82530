import type {
  ProxyProtocolPassThroughTLVsJson,
  TlvEntryJson,
} from "#gen/envoy/config/core/v3/proxy_protocol_pb.js";
import type { ProxyProtocolUpstreamTransportJson } from "#gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js";
import { compileEach, within } from "#lib/config-error.ts";
import { addressText } from "#net/address.ts";
import { compileSubstitutionFormatString } from "../access-log/formatter.ts";
import { ProxyOptions, type ProxyTlv, proxyOptionsKey } from "../proxy-options.ts";
import type { StreamInfo } from "../stream-info.ts";
import { writeHeader1, writeHeader2 } from "./write-header.ts";

/** What a connection begins with. */
export interface Preamble {
  /** Requests of different keys must not share a connection. */
  readonly key: string;
  readonly bytes: Buffer;
}

export type PreambleFor = (info: StreamInfo) => Preamble;

/** A PROXY header with the addresses of the downstream connection. Throws ConfigError. */
export function compilePreamble(transport: ProxyProtocolUpstreamTransportJson): PreambleFor {
  const { version, passThroughTlvs, addedTlvs } = transport.config ?? {};
  const added = within("config.added_tlvs", () => compileTlvs(addedTlvs));
  const passes = compilePassThrough(passThroughTlvs);
  const write = version === "V2" ? writeHeader2 : writeHeader1;
  return (info) => {
    const { source, destination, tlvs } = proxyOptionsOf(info);
    const passed = tlvs.filter(({ type }) => passes(type));
    const bytes = write({ source, destination, tlvs: replaceTlvs(passed, added(info)) });
    const key =
      transport.tlvAsPoolKey === true
        ? bytes.toString("latin1")
        : `${addressText(source)} ${addressText(destination)}`;
    return { key, bytes };
  };
}

/** What a downstream PROXY header said, or the connection's own addresses. */
function proxyOptionsOf(info: StreamInfo): ProxyOptions {
  const told = info.filterState?.get(proxyOptionsKey);
  if (told instanceof ProxyOptions) return told;
  const { remote, local } = info.downstream;
  return new ProxyOptions({ source: remote, destination: local, tlvs: [] });
}

/** `added` first; of one type, only them. */
function replaceTlvs(tlvs: readonly ProxyTlv[], added: readonly ProxyTlv[]): readonly ProxyTlv[] {
  if (added.length === 0) return tlvs;
  const types = new Set(added.map(({ type }) => type));
  return [...added, ...tlvs.filter(({ type }) => !types.has(type))];
}

export function compileTlvs(
  entries: readonly TlvEntryJson[] | undefined,
): (info: StreamInfo) => readonly ProxyTlv[] {
  const compiled = compileEach("", entries, ({ type = 0, value = "", formatString }) => {
    if (formatString === undefined) {
      const fixed = { type, value: Buffer.from(value, "base64") };
      return () => fixed;
    }
    const { format } = within("format_string", () => compileSubstitutionFormatString(formatString));
    return (info: StreamInfo) => ({ type, value: Buffer.from(format(info), "latin1") });
  });
  return (info) => compiled.map((make) => make(info));
}

/** Absent: nothing passes. Without types to include: everything. */
export function compilePassThrough(
  config: ProxyProtocolPassThroughTLVsJson | undefined,
): (type: number) => boolean {
  if (config === undefined) return () => false;
  if (config.matchType !== "INCLUDE") return () => true;
  const types = new Set(config.tlvType);
  return (type) => types.has(type);
}
