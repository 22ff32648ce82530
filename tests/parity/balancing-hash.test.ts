import { type ParityCase, parityArea } from "./harness/area.ts";
import { endpoint, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import {
  allHosts,
  byExtension,
  group,
  hashed,
  hashing,
  hostNames,
  maps,
} from "./harness/hashing.ts";

const ring = (config: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  lb_policy: "RING_HASH",
  ring_hash_lb_config: config,
  ...more,
});
const maglev = (config: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  lb_policy: "MAGLEV",
  maglev_lb_config: config,
  ...more,
});
const weight = (value: number): JsonObject => ({ load_balancing_weight: value });
const health = (status: string): JsonObject => ({ health_status: status });
const zone = (name: string, value?: number): JsonObject => ({
  locality: { region: "r", zone: name },
  ...(value === undefined ? {} : weight(value)),
});
const localityWeighted: JsonObject = { locality_weighted_lb_config: {} };
const byName: JsonObject = { consistent_hashing_lb_config: { use_hostname_for_hashing: true } };

const weighted: JsonObject = group(
  hostNames.map((name, index) => hashed(name, weight(2 * index + 1))),
);
const withHostnames: JsonObject = group(
  hostNames.map((name) => {
    const { endpoint: inner, ...rest } = endpoint(name);
    return { endpoint: { ...(inner as JsonObject), hostname: `${name}.test` }, ...rest };
  }),
);
/** `c` comes first here and last in Envoy's order. */
const zoned: readonly JsonObject[] = [
  group([hashed("c"), hashed("d", weight(3))], zone("z", 3)),
  group([hashed("a"), hashed("b")], zone("b", 2)),
  group([hashed("e")], zone("a", 1)),
];
const zonedUnevenly: readonly JsonObject[] = [
  group([hashed("a"), hashed("b", health("UNHEALTHY"))], zone("a", 5)),
  group([hashed("c")], zone("b")),
  group([hashed("d", health("UNHEALTHY"))], zone("c", 4)),
  group([hashed("e")], zone("d", 2)),
];
const ill = (status: string, ...names: readonly string[]): JsonObject =>
  group(hostNames.map((name) => hashed(name, names.includes(name) ? health(status) : {})));
const twoPriorities: readonly JsonObject[] = [
  group([
    hashed("a"),
    hashed("b"),
    hashed("c", health("UNHEALTHY")),
    hashed("d", health("UNHEALTHY")),
  ]),
  group([hashed("e")], { priority: 1 }),
];

const gauges =
  (expected: Readonly<Record<string, number>>) =>
  (t: CaseContext): Promise<void> =>
    t.stats(
      Object.fromEntries(
        Object.entries(expected).map(([name, value]) => [`cluster.{case}-main.${name}`, value]),
      ),
    );

const ringCases: readonly ParityCase[] = [
  maps(
    "ring hash",
    hashing(ring()),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebececabccabedcddcacbcbcdabceecbbebecdbeecabcbeddbebbbabddcadbbd",
    gauges({ "ring_hash_lb.size": 1025 }),
  ),
  maps(
    "ring hash: MURMUR_HASH_2",
    hashing(ring({ hash_function: "MURMUR_HASH_2" })),
    "beecdeadbbaabeedeaaceedcdebadddbaaeacaecadddcecdcadeabbbbbddcbcadeccaeabceaddecaaabccaaeddbaeeacbede",
  ),
  maps(
    "ring hash: a small ring",
    hashing(ring({ minimum_ring_size: 7 })),
    "ddccccecdcbccccebccdcdddddcecccbcecacceecccececccaceccccccecccccccbcaececcccbeccedbddacdeeceeccedecd",
  ),
  maps(
    "ring hash: hosts share what maximum_ring_size leaves",
    hashing(ring({ minimum_ring_size: 12, maximum_ring_size: 12 })),
    "edccccacecbccccabccdcdddddcacccbcecaccaacccecacccacaccccccacccccccbcaaceccccbaccaebdeaceeaceaccadace",
    gauges({
      "ring_hash_lb.size": 12,
      "ring_hash_lb.min_hashes_per_host": 2,
      "ring_hash_lb.max_hashes_per_host": 3,
    }),
  ),
  maps(
    "ring hash: by weight",
    hashing(ring(), [weighted]),
    "deceecdebcdceebcbcdedddeecdeeccbededebeceedecccdedddececdcdcecbceecedebdceeeeccacbedddeddbebddcedbdd",
  ),
  maps(
    "ring hash: by weight on a small ring",
    hashing(ring({ minimum_ring_size: 20, maximum_ring_size: 23 }), [weighted]),
    "edecddeeedbecceebeddddddddeeeecbdeceddeeecdececcdeeeddcdddecdddddcbceeceddccbecdeebdeedeeedeeceedece",
  ),
  maps(
    "ring hash: by host name",
    hashing(ring({}, { common_lb_config: byName, type: "STRICT_DNS" }), [withHostnames]),
    "aaaebedbabbeaebabacabeebadbedddccddcedecdabdbbaddabbdddacecdbbebceebebcaeaeddebccecbdebacabdbaaddddb",
  ),
  maps(
    "ring hash: localities by weight",
    hashing(ring({ minimum_ring_size: 31 }, { common_lb_config: localityWeighted }), zoned),
    "edddbbadebbdeedabdddbddddddddeebbeeebbaadebeeaeebedaddebbdaebbbbdebeeaeebdeebaedaebdeebeedbeaedadaee",
  ),
  maps(
    "ring hash: a locality without weight has no place, one without healthy hosts wastes its own",
    hashing(
      ring({ minimum_ring_size: 100 }, { common_lb_config: localityWeighted }),
      zonedUnevenly,
    ),
    "eaeeeaaaaaeaaaaaeeeeaeaeeaeeeeaaaeaeaeaaeaaaaaaaaeeaeaaaaaaaaaaaaaaaeaeeeaaaaaaaaaaeaeaeeaeeaaeaaaae",
    gauges({ "ring_hash_lb.size": 105 }),
  ),
  maps(
    "ring hash: without any locality's weight there is nobody",
    hashing(ring({}, { common_lb_config: localityWeighted })),
    "----------------------------------------------------------------------------------------------------",
  ),
  maps(
    "ring hash: locality weights do not count unless asked for",
    hashing(ring(), zoned),
    "ddcdecdebbdcdebcbddddadeecdeedcbadddebddedaecccdddddddacdddcdcbceecddebdddddaccdcbedddcbbbaddddddbdd",
  ),
  maps(
    "ring hash: an unhealthy host is not in the ring",
    hashing(ring(), [ill("UNHEALTHY", "c")]),
    "beddeadebbdaeebdbddebadebaeeedabaeadebedeaaeadabededdbadbbdaaabdbedbbebdddeeebabdbeddbebbaabdddadbbd",
  ),
  maps(
    "ring hash: in panic every host is in it, and each pick counts",
    hashing(ring(), [ill("UNHEALTHY", "a", "b", "c")]),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebececabccabedcddcacbcbcdabceecbbebecdbeecabcbeddbebbbabddcadbbd",
    gauges({ lb_healthy_panic: 100 }),
  ),
  maps(
    "ring hash: fail_traffic_on_panic is not for it",
    hashing(
      ring({}, { common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } } }),
      [ill("UNHEALTHY", "a", "b", "c")],
    ),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebececabccabedcddcacbcbcdabceecbbebecdbeecabcbeddbebbbabddcadbbd",
  ),
  maps(
    "ring hash: in panic localities keep their weights",
    hashing(ring({}, { common_lb_config: localityWeighted }), [
      group([hashed("a", health("UNHEALTHY")), hashed("b", health("UNHEALTHY"))], zone("a", 1)),
      group([hashed("c"), hashed("d", health("UNHEALTHY"))], zone("b", 9)),
    ]),
    "ddcdbcdcccdcddbcdcdddddcccdcccccddcdcbdcdddacccddddddcacccdcdcbcdccdddbdcdcdcccccbddcdcddcdddccddddc",
  ),
  maps(
    "ring hash: degraded hosts are never in it",
    hashing(ring(), [ill("DEGRADED", "a", "b", "c")]),
    "ddeeeedeeedeeeddeddddddeedeeeddeeeeeeeddeddeddddddededdeddddededeededeeddeededdddeedddedddeddedddddd",
  ),
  maps(
    "ring hash: the hash draws the priority",
    hashing(ring(), twoPriorities),
    "bebbaaabaebabebaebaaeeaabaaeaeaeaaabeaebaaaeabaabebbababbbeeabbbbabebbbbeaeeebaaebbbbbebbaeebeeaebee",
    gauges({ "ring_hash_lb.size": 1024 }),
  ),
  maps(
    "ring hash as an extension",
    hashing(
      byExtension("ring_hash.v3.RingHash", { minimum_ring_size: 64, hash_function: "XX_HASH" }),
    ),
    "eceebaadcbbdaadabedcadcdcceeecabaaaebbaaeaaaaaaabeeadeabbeaababbeacaeababdaacaaeaecdcebeedbaaaeacaae",
    gauges({ "ring_hash_lb.size": 65 }),
  ),
  maps(
    "ring hash as an extension: MURMUR_HASH_2, host names, localities",
    hashing(
      byExtension("ring_hash.v3.RingHash", {
        hash_function: "MURMUR_HASH_2",
        consistent_hashing_lb_config: { use_hostname_for_hashing: true },
        ...localityWeighted,
      }),
      [{ ...withHostnames, ...zone("a", 1) }],
    ),
    "deeedcbaaacaedbadaaddaacbbdebdabedcdceaaddddebcabcdeaacbbadbcdcddededbcbeaedebceacacddebacacccaaebaa",
  ),
  maps(
    "ring hash as an extension: its older field for host names",
    hashing(byExtension("ring_hash.v3.RingHash", { use_hostname_for_hashing: true }), [
      withHostnames,
    ]),
    "aaaebedbabbeaebabacabeebadbedddccddcedecdabdbbaddabbdddacecdbbebceebebcaeaeddebccecbdebacabdbaaddddb",
  ),
  maps(
    "ring hash as an extension: the newer message makes the older fields void",
    hashing(
      byExtension("ring_hash.v3.RingHash", {
        use_hostname_for_hashing: true,
        consistent_hashing_lb_config: { hash_balance_factor: 200 },
      }),
      [allHosts],
    ),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebececabccabedcddcacbcbcdabceecbbebecdbeecabcbeddbebbbabddcadbbd",
  ),
  maps(
    "ring hash as an extension: its own hash_policy wins over the route's",
    hashing(
      byExtension("ring_hash.v3.RingHash", {
        consistent_hashing_lb_config: {
          hash_policy: [{ header: { header_name: "host" } }],
        },
      }),
    ),
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
  ),
];

const maglevCases: readonly ParityCase[] = [
  maps(
    "maglev",
    hashing(maglev()),
    "aabdceddedeaaabbbebccebbaadabcdaeeeceeaebedcbeecbaddebabdcddedebaeeaadbedcaaddebbdaceedbbdabbccbedab",
    gauges({ "maglev_lb.min_entries_per_host": 13107, "maglev_lb.max_entries_per_host": 13108 }),
  ),
  maps(
    "maglev: a small table",
    hashing(maglev({ table_size: 31 })),
    "edbebadadecdaabbbaebcccaedececbebacbacebeddebeadbadcdacecdadeaddecedbdbdebcceedeecdebedecaadaeabecee",
  ),
  maps(
    "maglev: by weight",
    hashing(maglev({}, {}), [weighted]),
    "eceeeeddedeeaebdeeeedeedaedebcdeeeeceedebedeeeecbdddebeedcdeedebaeeeedeedcaeedebbdeceedbbdcbbcebeddb",
  ),
  maps(
    "maglev: by weight in a small table",
    hashing(maglev({ table_size: 31 }), [weighted]),
    "edbeeadadecdcebbecebececedececbedecbecebeddedeadbedcdececdddecddecedbdbdedcceedeecdebedeccedaedbecee",
    gauges({ "maglev_lb.min_entries_per_host": 2, "maglev_lb.max_entries_per_host": 10 }),
  ),
  maps(
    "maglev: by host name",
    hashing(maglev({}, { common_lb_config: byName, type: "STRICT_DNS" }), [withHostnames]),
    "dedbadedaeadbcedaceddaecabccbbdddbdaeeadcbcacbdeceebabdbeeaccbaeceedbbaeadcebcbcbeacdcebaabdeecbbaee",
  ),
  maps(
    "maglev: localities by weight",
    hashing(maglev({ table_size: 101 }, { common_lb_config: localityWeighted }), zoned),
    "dbdecdbbcddbedaaeddabbcdadcacdaacdedebbaaeddcdeeddddbdbdebcccddcaedddaaadedbdbaaaaabedccdcdcdebccddd",
  ),
  maps(
    "maglev: a locality without weight has no entry, one without healthy hosts no effect",
    hashing(maglev({}, { common_lb_config: localityWeighted }), zonedUnevenly),
    "aaaeaeaaaaeaaaeaaeaeaeaeaaaaaeeaeeeaeaaeaaaaeaeaaaeaeaaaaeaeeeaaaeeaaaeaaaaaeaeaaaaaeeaaaaaaaaeaeaaa",
  ),
  maps(
    "maglev: an unhealthy host is not in the table",
    hashing(maglev(), [ill("UNHEALTHY", "c")]),
    "aabdeeddedeaaabbbebeaebbaadabbdaeeedeeaebedebeeabaddebabddddedebaeeaadbedbaaddebbdaaeedbbdabbbebedab",
  ),
  maps(
    "maglev: in panic every host is",
    hashing(maglev(), [ill("UNHEALTHY", "a", "b", "c")]),
    "aabdceddedeaaabbbebccebbaadabcdaeeeceeaebedcbeecbaddebabdcddedebaeeaadbedcaaddebbdaceedbbdabbccbedab",
    gauges({ lb_healthy_panic: 100 }),
  ),
  maps(
    "maglev: the hash draws the priority",
    hashing(maglev(), twoPriorities),
    "aebaaabbbebaaebbeabbeebbaaaebeaebbaaeaeababebababebaababbaeebbabaabeaabaebeeeabbebaaaaebbaeebeebeaee",
  ),
  maps(
    "maglev as an extension",
    hashing(
      byExtension("maglev.v3.Maglev", {
        table_size: 1009,
        consistent_hashing_lb_config: { use_hostname_for_hashing: true },
        ...localityWeighted,
      }),
      [{ ...withHostnames, ...zone("a", 1) }],
    ),
    "ecedcaddeccebccccaccedbadecddccbbaaceecdcddeaaacbaedeccaaceabecdaaadceaaeacdbeeacddbeceedddbdeececde",
  ),
];

parityArea("balancing-hash", [...ringCases, ...maglevCases]);
