import type {
  AddressRecord,
  EndpointSource,
  FoundEndpoint,
  Lookup,
  ServiceRecord,
} from "../endpoint-source.ts";
import { type Looked, refresh } from "./refresh.ts";

/** `dns:api.internal`: every address behind the name, on the ServiceEntry's ports. */
export const dnsAddresses: EndpointSource = {
  scheme: "dns",
  start: (name, sink, { clock, lookup }) =>
    refresh(async () => addressesOf(await lookup.addresses(name)), sink, clock),
};

/** `srv:_http._tcp.api.internal`: every target of the SRV records with the best priority, with its port and weight (RFC 2782). */
export const dnsServices: EndpointSource = {
  scheme: "srv",
  start: (name, sink, { clock, lookup }) =>
    refresh(async () => servicesOf(await lookup.services(name), lookup), sink, clock),
};

const addressesOf = (records: readonly AddressRecord[]): Looked => ({
  endpoints: records
    .map(({ address }): FoundEndpoint => ({ address, labels: {}, weight: 0 }))
    .sort(byAddress),
  ttlMs: ttlOf(records),
});

async function servicesOf(services: readonly ServiceRecord[], lookup: Lookup): Promise<Looked> {
  const best = Math.min(...services.map(({ priority }) => priority));
  const targets = services.filter(({ priority }) => priority === best);
  const records = await Promise.all(targets.map(({ name }) => lookup.addresses(name)));
  const endpoints = targets.flatMap(({ port, weight }, index): readonly FoundEndpoint[] =>
    (records[index] ?? []).map(({ address }) => ({ address, port, weight, labels: {} })),
  );
  return { endpoints: endpoints.sort(byAddress), ttlMs: ttlOf(records.flat()) };
}

const ttlOf = (records: readonly AddressRecord[]): number | undefined =>
  records.length === 0
    ? undefined
    : Math.min(...records.map(({ ttlSeconds }) => ttlSeconds)) * 1000;

const byAddress = (a: FoundEndpoint, b: FoundEndpoint): number =>
  a.address < b.address ? -1 : a.address > b.address ? 1 : (a.port ?? 0) - (b.port ?? 0);
