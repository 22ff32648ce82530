/** TLS across workers and under load: what one connection at a time cannot show. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { Authority, type Issued } from "../../testkit/pki.ts";
import { extension } from "../parity/harness/config.ts";
import type { JsonObject } from "../parity/harness/placeholders.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { bootstrap, eventually, GET, ok, start, stat, temporaryFolder } from "./support.ts";

const authority = await Authority.create();
const certificates = await Promise.all(
  ["one", "two", "three"].map((name) =>
    authority.issue({ dns: ["a.test"], subject: `CN=${name}` }),
  ),
);

/** A listener `main` whose certificate is the secret `cert` of a file. */
function withSecret(folder: string): JsonObject {
  const config = structuredClone(bootstrap([ok])) as {
    node?: object;
    static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
  };
  const [chain] = config.static_resources.listeners[0]?.filter_chains ?? [];
  assert.ok(chain !== undefined);
  chain.transport_socket = extension(
    "envoy.transport_sockets.tls",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    {
      common_tls_context: {
        tls_certificate_sds_secret_configs: [
          {
            name: "cert",
            sds_config: { path_config_source: { path: join(folder, "sds.json") } },
          },
        ],
      },
    },
  );
  return config as unknown as JsonObject;
}

function publish(folder: string, { certificate, key }: Issued): void {
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
  const secret = {
    "@type": type,
    name: "cert",
    tls_certificate: {
      certificate_chain: { inline_string: certificate },
      private_key: { inline_string: key },
    },
  };
  const next = join(folder, "next");
  writeFileSync(next, JSON.stringify({ resources: [secret] }));
  renameSync(next, join(folder, "sds.json"));
}

interface Answer {
  readonly serial: string;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
}

/** One request on a connection of its own; rejects when anything goes wrong. */
async function ask(proxy: ProxyProcess, session?: Buffer): Promise<Answer> {
  const socket: TLSSocket = connect({
    ...(proxy.listener("main") as { host: string; port: number }),
    ...{ ca: authority.certificate, servername: "a.test", maxVersion: "TLSv1.2" },
    ...(session === undefined ? {} : { session }),
  });
  socket.setEncoding("latin1");
  const answered = once(socket, "data");
  socket.write(GET);
  const [text] = await answered;
  assert.match(String(text), /^HTTP\/1\.1 200 OK\r\n/);
  const answer = {
    serial: socket.getPeerX509Certificate()?.serialNumber ?? "",
    reused: socket.isSessionReused(),
    session: socket.getSession(),
  };
  socket.destroy();
  return answer;
}

async function startWith(t: TestContext, workers: number) {
  const folder = temporaryFolder(t);
  publish(folder, certificates[0] as Issued);
  const proxy = await start(t, withSecret(folder), "--concurrency", String(workers));
  return { folder, proxy };
}

test("certificates rotate under load without one failed request, in every worker", async (t) => {
  const { folder, proxy } = await startWith(t, 2);
  let done = false;
  let answers = 0;
  const seen = new Set<string>();
  const client = async (): Promise<void> => {
    while (!done) {
      seen.add((await ask(proxy)).serial);
      answers++;
    }
  };
  const load = Promise.all([client(), client(), client(), client()]);
  for (const [index, issued] of certificates.entries()) {
    if (index > 0) publish(folder, issued);
    const serial = issued.serial.toUpperCase();
    await eventually(
      `the certificate ${serial} is shown`,
      async () => seen.has(serial) || undefined,
    );
  }
  // From here on no worker shows an old one.
  const last = certificates.at(-1)?.serial.toUpperCase();
  await eventually("all workers show the last certificate", async () => {
    const serials = await Promise.all(Array.from({ length: 12 }, () => ask(proxy)));
    return serials.every(({ serial }) => serial === last) || undefined;
  });
  done = true;
  await load;
  assert.ok(answers > 0);
  assert.equal(await stat(proxy, "listener.main.ssl.connection_error"), 0);
  assert.equal(
    await stat(proxy, "listener.main.server_ssl_socket_factory.ssl_context_update_by_sds"),
    6,
  );
  const expiry = await stat(
    proxy,
    "listener.main.ssl.certificate.cert.expiration_unix_time_seconds",
  );
  assert.equal(expiry, Math.floor((certificates.at(-1)?.x509.notAfter.getTime() ?? 0) / 1000));
});

test("a session ticket of one worker is opened by the others", async (t) => {
  const { proxy } = await startWith(t, 2);
  const first = await ask(proxy);
  assert.equal(first.reused, false);
  const again = await Promise.all(Array.from({ length: 40 }, () => ask(proxy, first.session)));
  assert.ok(again.every(({ reused }) => reused));
  assert.ok(((await stat(proxy, "listener.main.worker_0.downstream_cx_total")) ?? 0) > 0);
  assert.ok(((await stat(proxy, "listener.main.worker_1.downstream_cx_total")) ?? 0) > 0);
  assert.equal(await stat(proxy, "listener.main.ssl.session_reused"), 40);
});
