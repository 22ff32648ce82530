import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:tls";
import { type OcspOptions, ocspResponse } from "../../testkit/ocsp.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, type JsonObject, route } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { authority, certificates, downstreamTls, https, own, secureGet } from "./harness/tls.ts";

const hello = { routes: [route({ prefix: "/" }, direct("hello"))] };
const hourMs = 3_600_000;
const ago = (hours: number): Date => new Date(Date.now() - hours * hourMs);

/** A listener that staples this response for the certificate `a`. */
const stapling = (response: Buffer, context: JsonObject = {}): JsonObject =>
  downstreamTls({
    certificates: [],
    common: {
      tls_certificates: [
        { ...own(certificates.a), ocsp_staple: { inline_bytes: response.toString("base64") } },
      ],
    },
    context,
  });
const good = (options: Partial<OcspOptions> = {}): Buffer =>
  ocspResponse({ serials: [certificates.a.serial], ...options });
const stale = good({ thisUpdate: ago(48), nextUpdate: ago(24) });

/** What a client that asks for a staple gets; "closed": no handshake. */
async function stapled(
  t: CaseContext,
  maxVersion: "TLSv1.2" | "TLSv1.3",
): Promise<Buffer | null | "closed"> {
  const socket = connect({
    ...t.address(),
    ca: authority.certificate,
    servername: "a.test",
    requestOCSP: true,
    maxVersion,
  });
  t.cleanUp(() => socket.destroy());
  let staple: Buffer | null = null;
  socket.on("OCSPResponse", (response: Buffer | null) => {
    staple = response;
  });
  const done = once(socket, "secureConnect").then(
    () => true,
    () => false,
  );
  socket.on("error", () => undefined);
  return (await done) ? staple : "closed";
}

interface Stapled {
  readonly name: string;
  readonly socket: JsonObject;
  readonly sees: Buffer | null | "closed";
  readonly counts: Readonly<Record<string, number>>;
}

const dated = good({
  thisUpdate: new Date("2020-01-02T03:04:05Z"),
  nextUpdate: new Date("2120-06-07T08:09:10Z"),
});

const cases: readonly ParityCase[] = [
  {
    name: "/certs tells from when to when the response is valid",
    config: https(stapling(dated), hello),
    run: async (t) => {
      const { body } = await t.admin("/certs");
      const all = JSON.parse(body) as {
        readonly certificates: readonly { readonly cert_chain: readonly object[] }[];
      };
      const details = all.certificates
        .flatMap((context) => context.cert_chain)
        .map((one) => JSON.stringify(Reflect.get(one, "ocsp_details")));
      const wanted = { valid_from: "2020-01-02T03:04:05Z", expiration: "2120-06-07T08:09:10Z" };
      assert.ok(details.includes(JSON.stringify(wanted)), body);
    },
  },
  ...(["TLSv1.2", "TLSv1.3"] as const).flatMap((version): readonly ParityCase[] => {
    const listed: readonly Stapled[] = [
      {
        name: "a client that asks gets the response",
        socket: stapling(good()),
        sees: good(),
        counts: { requests: 1, responses: 1, omitted: 0, failed: 0 },
      },
      {
        name: "LENIENT_STAPLING leaves an expired one out",
        socket: stapling(stale),
        sees: null,
        counts: { requests: 1, responses: 0, omitted: 1, failed: 0 },
      },
      {
        name: "STRICT_STAPLING ends the handshake with an expired one",
        socket: stapling(stale, { ocsp_staple_policy: "STRICT_STAPLING" }),
        sees: "closed",
        counts: { requests: 1, responses: 0, omitted: 0, failed: 1 },
      },
      {
        name: "MUST_STAPLE with a good one",
        socket: stapling(good(), { ocsp_staple_policy: "MUST_STAPLE" }),
        sees: good(),
        counts: { requests: 1, responses: 1, omitted: 0, failed: 0 },
      },
      {
        name: "MUST_STAPLE ends the handshake with an expired one",
        socket: stapling(stale, { ocsp_staple_policy: "MUST_STAPLE" }),
        sees: "closed",
        counts: { requests: 1, responses: 0, omitted: 0, failed: 1 },
      },
    ];
    return listed.map(({ name, socket, sees, counts }) => ({
      name: `${version}: ${name}`,
      config: https(socket, hello),
      run: async (t) => {
        const seen = await stapled(t, version);
        if (sees instanceof Buffer)
          assert.ok(seen instanceof Buffer && seen.length === sees.length);
        else assert.equal(seen, sees);
        const named = Object.entries(counts).map(
          ([word, count]) => [`listener.{case}.ssl.ocsp_staple_${word}`, count] as const,
        );
        await t.stats(Object.fromEntries(named));
      },
    }));
  }),
  {
    name: "a client that does not ask is served, whatever the policy",
    config: https(stapling(stale, { ocsp_staple_policy: "MUST_STAPLE" }), hello),
    run: async (t) => {
      assert.equal((await secureGet(t, "/")).body, "hello");
      await t.stats({
        "listener.{case}.ssl.ocsp_staple_requests": 0,
        "listener.{case}.ssl.ocsp_staple_failed": 0,
      });
    },
  },
  ...[
    {
      name: "refuses MUST_STAPLE without a response",
      socket: downstreamTls({ context: { ocsp_staple_policy: "MUST_STAPLE" } }),
      message: /Required OCSP response is missing from TLS context/,
    },
    {
      name: "refuses a response for another certificate",
      socket: stapling(ocspResponse({ serials: ["1234"] })),
      message: /OCSP response does not match its TLS certificate/,
    },
    {
      name: "refuses a response that says it failed",
      socket: stapling(good({ status: 2 })),
      message: /OCSP response was unsuccessful/,
    },
    {
      name: "refuses a response for two certificates",
      socket: stapling(ocspResponse({ serials: [certificates.a.serial, "1234"] })),
      message: /OCSP Response must be for one certificate only/,
    },
    {
      name: "refuses what is no response",
      socket: stapling(Buffer.from("nothing")),
      message: /OCSP/i,
    },
  ].map(({ name, socket, message }) => ({
    name,
    config: https(socket, hello),
    own: { start: false },
    run: async (t: CaseContext) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.notEqual(code, 0);
      assert.match(output, message);
    },
  })),
];

parityArea("tls-ocsp", cases);
