import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answer, response } from "../../testkit/fake-upstream.ts";
import type { Issued } from "../../testkit/pki.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, direct, http, route } from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import type { JsonObject } from "./harness/placeholders.ts";
import {
  as,
  authority,
  certificates,
  downstreamTls,
  https,
  inline,
  mutual,
  otherAuthority,
  own,
  refused,
  secure,
  secureGet,
  trust,
  upstreamTls,
} from "./harness/tls.ts";

const hello = { routes: [route({ prefix: "/" }, direct("hello"))] };
const { a, b, client } = certificates;

const fromFile = (name: string, file = "sds.json"): JsonObject => ({
  name,
  sds_config: { path_config_source: { path: `{folder}/${file}` }, resource_api_version: "V3" },
});

const secret = (name: string, content: JsonObject): JsonObject => ({
  "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
  name,
  ...content,
});

/** Moved into place, as every tool that rotates secrets does. */
function publish(t: CaseContext, secrets: readonly JsonObject[], file = "sds.json"): void {
  place(t, file, t.fill(JSON.stringify({ resources: secrets })));
}

function place(t: CaseContext, file: string, text: string): void {
  const path = join(t.folder, file);
  writeFileSync(`${path}.next`, text);
  renameSync(`${path}.next`, path);
}

const serialOf = async (t: CaseContext): Promise<string> => {
  await using connection = await secure(t, { rejectUnauthorized: false });
  return connection.socket.getPeerX509Certificate()?.serialNumber ?? "";
};

/** New connections see this certificate. */
const shows = (t: CaseContext, { serial }: Issued): Promise<void> =>
  t.eventually(async () => assert.equal(await serialOf(t), serial.toUpperCase()));

const validate = (name: string, socket: JsonObject, message: RegExp): ParityCase => ({
  name,
  config: https(socket, hello),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, message);
  },
});

const sdsServer = (name: string): JsonObject =>
  downstreamTls({
    certificates: [],
    common: { tls_certificate_sds_secret_configs: [fromFile(name)] },
  });

parityArea(
  "tls-secrets",
  [
    validate(
      "refuses a key of another certificate",
      downstreamTls({
        certificates: [],
        common: {
          tls_certificates: [
            { certificate_chain: inline(a.certificate), private_key: inline(b.key) },
          ],
        },
      }),
      /Failed to load private key from <inline>, Cause: .*KEY_VALUES_MISMATCH/,
    ),
    validate(
      "refuses what is no certificate",
      downstreamTls({
        certificates: [],
        common: {
          tls_certificates: [{ certificate_chain: inline("nothing"), private_key: inline(a.key) }],
        },
      }),
      /Failed to load certificate chain from <inline>/,
    ),
    validate(
      "refuses names without an authority",
      mutual({
        match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "a.test" } }],
      }),
      /SAN-based verification of peer certificates without trusted CA is insecure and not allowed/,
    ),
    validate(
      "refuses unknown cipher suites by name",
      downstreamTls({
        common: { tls_params: { cipher_suites: ["ECDHE-ECDSA-AES128-GCM-SHA256", "NONE-SUCH"] } },
      }),
      /rejected when tried individually: NONE-SUCH/,
    ),
    validate(
      "refuses a static secret that does not exist",
      downstreamTls({
        certificates: [],
        common: { tls_certificate_sds_secret_configs: [{ name: "nobody" }] },
      }),
      /Unknown static secret: nobody/,
    ),
    {
      name: "static secrets stand in the bootstrap",
      config: {
        ...https(
          downstreamTls({
            certificates: [],
            common: {
              tls_certificate_sds_secret_configs: [{ name: "{case}-cert" }],
              validation_context_sds_secret_config: { name: "{case}-trust" },
            },
            context: { require_client_certificate: true },
          }),
          hello,
        ),
        secrets: [
          { name: "{case}-cert", tls_certificate: own(a) },
          { name: "{case}-trust", validation_context: trust() },
        ],
      },
      run: async (t) => {
        assert.equal((await secureGet(t, "/", as(client))).status, 200);
        await refused(t);
        await t.stats({ "listener.{case}.ssl.fail_verify_no_cert": 1 });
      },
    },
    {
      name: "secrets come from a file that SDS names, and change with it",
      config: https(sdsServer("cert"), hello),
      prepare: (t) => {
        publish(t, [secret("cert", { tls_certificate: own(a) })]);
      },
      run: async (t) => {
        await shows(t, a);
        await using old = await secure(t, { rejectUnauthorized: false });
        publish(t, [secret("cert", { tls_certificate: own(b) })]);
        await shows(t, b);
        // A connection that was there before goes on with what it had.
        assert.equal((await old.client.exchange(get("/"))).status, 200);
        await t.stats({
          "listener.{case}.server_ssl_socket_factory.ssl_context_update_by_sds": 2,
        });
      },
    },
    {
      name: "a bad secret is refused, and the last good one stays",
      config: https(sdsServer("cert"), hello),
      prepare: (t) => {
        publish(t, [secret("cert", { tls_certificate: own(a) })]);
      },
      run: async (t) => {
        await shows(t, a);
        publish(t, [
          secret("cert", {
            tls_certificate: {
              certificate_chain: inline("nothing"),
              private_key: inline(a.key),
            },
          }),
        ]);
        publish(t, [secret("cert", { tls_certificate: own(b) })]);
        await shows(t, b);
      },
    },
    {
      name: "a listener without its secret closes connections until it comes",
      config: https(sdsServer("cert"), hello),
      own: { start: false },
      run: async (t) => {
        // Without the initial fetch it waits for; one second is enough to see that it goes on.
        publish(t, [secret("other", { tls_certificate: own(a) })]);
        await t.start();
        await refused(t);
        await t.stats({
          "listener.{case}.server_ssl_socket_factory.downstream_context_secrets_not_ready": 1,
        });
        publish(t, [secret("cert", { tls_certificate: own(a) })]);
        await shows(t, a);
      },
    },
    {
      name: "a secret's own files are watched",
      config: https(sdsServer("cert"), hello),
      prepare: (t) => {
        mkdirSync(join(t.folder, "one"));
        mkdirSync(join(t.folder, "two"));
        for (const [folder, issued] of [
          ["one", a],
          ["two", b],
        ] as const) {
          writeFileSync(join(t.folder, folder, "tls.crt"), issued.certificate);
          writeFileSync(join(t.folder, folder, "tls.key"), issued.key);
        }
        symlinkSync("one", join(t.folder, "data"));
        publish(t, [
          secret("cert", {
            tls_certificate: {
              certificate_chain: { filename: "{folder}/data/tls.crt" },
              private_key: { filename: "{folder}/data/tls.key" },
              watched_directory: { path: "{folder}" },
            },
          }),
        ]);
      },
      run: async (t) => {
        await shows(t, a);
        // As Kubernetes does it: a link to the new folder takes the old one's place.
        symlinkSync("two", join(t.folder, "data.next"));
        renameSync(join(t.folder, "data.next"), join(t.folder, "data"));
        await shows(t, b);
      },
    },
    {
      name: "trusted authorities rotate too",
      config: https(
        downstreamTls({
          common: { validation_context_sds_secret_config: fromFile("trust") },
          context: { require_client_certificate: true },
        }),
        hello,
      ),
      prepare: (t) => {
        publish(t, [secret("trust", { validation_context: trust() })]);
      },
      run: async (t) => {
        assert.equal((await secureGet(t, "/", as(client))).status, 200);
        await refused(t, as(certificates.stranger));
        publish(t, [
          secret("trust", {
            validation_context: { trusted_ca: inline(otherAuthority.certificate) },
          }),
        ]);
        await t.eventually(async () => {
          assert.equal((await secureGet(t, "/", as(certificates.stranger))).status, 200);
        });
        await refused(t, as(client));
      },
    },
    {
      name: "a combined validation context has both parts",
      config: https(
        downstreamTls({
          common: {
            combined_validation_context: {
              default_validation_context: {
                match_typed_subject_alt_names: [
                  { san_type: "DNS", matcher: { exact: "client.test" } },
                ],
              },
              validation_context_sds_secret_config: fromFile("trust"),
            },
          },
          context: { require_client_certificate: true },
        }),
        hello,
      ),
      prepare: (t) => {
        publish(t, [secret("trust", { validation_context: trust() })]);
      },
      run: async (t) => {
        assert.equal((await secureGet(t, "/", as(client))).status, 200);
        await refused(t, as(a));
        await refused(t, as(certificates.stranger));
        await t.stats({
          "listener.{case}.ssl.fail_verify_san": 1,
          "listener.{case}.ssl.fail_verify_error": 1,
        });
      },
    },
    {
      name: "a cluster's secrets come from a file and change with it",
      config: http({
        clusters: [
          cluster("main", {
            max_requests_per_connection: 1,
            transport_socket: upstreamTls({
              common: {
                tls_certificate_sds_secret_configs: [fromFile("cert")],
                validation_context_sds_secret_config: fromFile("trust", "trust.json"),
              },
            }),
          }),
        ],
      }),
      upstream: answer(response(200, "ok")),
      upstreamTls: {
        ...{ cert: a.certificate, key: a.key },
        requestCert: true,
        ca: authority.certificate,
      },
      prepare: (t) => {
        publish(t, [secret("cert", { tls_certificate: own(client) })]);
        publish(t, [secret("trust", { validation_context: trust() })], "trust.json");
      },
      run: async (t) => {
        // Each request makes a connection, and each connection shows what is the certificate then.
        const shown = ({ serial }: Issued): Promise<void> =>
          t.eventually(async () => {
            assert.equal((await t.get("/")).status, 200);
            assert.equal(t.upstream().clients.at(-1), serial.toUpperCase());
          });
        await shown(client);
        publish(t, [secret("cert", { tls_certificate: own(b) })]);
        await shown(b);
      },
    },
    {
      name: "session tickets of shared keys are opened after a restart",
      config: https(
        downstreamTls({
          context: {
            session_ticket_keys: { keys: [inline("k".repeat(80)), inline("o".repeat(80))] },
          },
        }),
        hello,
      ),
      run: async (t) => {
        await using first = await secure(t, { maxVersion: "TLSv1.2" });
        assert.equal((await first.client.exchange(get("/"))).status, 200);
        const session = first.socket.getSession();
        assert.ok(session !== undefined);
        await using second = await secure(t, { session, maxVersion: "TLSv1.2" });
        assert.equal(second.socket.isSessionReused(), true);
      },
    },
  ],
  { bootstrap: { node: { id: "node", cluster: "cluster" } }, concurrency: 3 },
);
