import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ConsistentHashingLbConfigJson } from "#gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js";
import type { MaglevJson } from "#gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js";
import type { RingHashJson } from "#gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { compileHashPolicy } from "../route/hash-policy.ts";
import type { HashPolicy } from "./hash-policy.ts";

/** What ring hash and Maglev are told; each takes its own of it. */
export interface HashingConfig {
  readonly ringSizeMin: number;
  readonly ringSizeMax: number;
  readonly murmur: boolean;
  /** Of Maglev: a prime. */
  readonly tableSize: number;
  readonly useHostname: boolean;
  /** A host's share of the running requests in percent of its fair one; 0: unbounded. */
  readonly balanceFactor: number;
  /** The policy's own, which then replaces the route's. */
  readonly hashPolicy: HashPolicy | undefined;
}

export const hashingDefaults: HashingConfig = {
  ringSizeMin: 1024,
  ringSizeMax: 8 * 1024 * 1024,
  murmur: false,
  tableSize: 65_537,
  useHostname: false,
  balanceFactor: 0,
  hashPolicy: undefined,
};

/** `lb_policy: RING_HASH` or `MAGLEV`. */
export function compileLegacyHashing(config: ClusterJson): HashingConfig {
  const { ringHashLbConfig: ring, maglevLbConfig: maglev } = config;
  const common = config.commonLbConfig?.consistentHashingLbConfig;
  return {
    ...ringSizes(ring?.minimumRingSize, ring?.maximumRingSize),
    murmur: ring?.hashFunction === "MURMUR_HASH_2",
    tableSize: within("maglev_lb_config", () => tableSize(maglev?.tableSize)),
    useHostname: common?.useHostnameForHashing === true,
    balanceFactor: common?.hashBalanceFactor ?? 0,
    hashPolicy: undefined,
  };
}

/** The extensions RingHash and Maglev. */
export function compileHashing(config: RingHashJson & MaglevJson): HashingConfig {
  const common: ConsistentHashingLbConfigJson = config.consistentHashingLbConfig ?? config;
  return {
    ...ringSizes(config.minimumRingSize, config.maximumRingSize),
    murmur: config.hashFunction === "MURMUR_HASH_2",
    tableSize: tableSize(config.tableSize),
    useHostname: common.useHostnameForHashing === true,
    balanceFactor: common.hashBalanceFactor ?? 0,
    hashPolicy: within("consistent_hashing_lb_config", () =>
      compileHashPolicy(config.consistentHashingLbConfig?.hashPolicy),
    ),
  };
}

function ringSizes(
  minimum: string | undefined,
  maximum: string | undefined,
): Pick<HashingConfig, "ringSizeMin" | "ringSizeMax"> {
  const ringSizeMin = Number(minimum ?? hashingDefaults.ringSizeMin);
  const ringSizeMax = Number(maximum ?? hashingDefaults.ringSizeMax);
  if (ringSizeMin > ringSizeMax)
    throw refuse(
      "",
      `ring hash: minimum_ring_size (${ringSizeMin}) > maximum_ring_size (${ringSizeMax})`,
    );
  return { ringSizeMin, ringSizeMax };
}

function tableSize(configured: string | undefined): number {
  const size = Number(configured ?? hashingDefaults.tableSize);
  if (!isPrime(size)) throw refuse("table_size", "The table size of maglev must be prime number");
  return size;
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++)
    if (value % divisor === 0) return false;
  return value > 1;
}
