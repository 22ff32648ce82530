import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, describe, it } from "node:test";
import { Authority } from "../../testkit/pki.ts";
import {
  authority,
  clientSettings,
  closeListeners,
  contextOptions,
  dial,
  leaf,
  pair,
  Recorder,
  type Side,
  serve,
  serverSettings,
  settings,
} from "../../testkit/tls-sides.ts";
import { ipAddress } from "./address.ts";
import { Certificate } from "./certificate.ts";
import { connect } from "./connect.ts";
import { type ListeningSocket, listen } from "./listen.ts";
import { type SavedSession, TlsConnection, type TlsSettings } from "./tls-connection.ts";
import { makeContext } from "./tls-context.ts";

const open: ListeningSocket[] = [];

after(() => {
  closeListeners();
  for (const socket of open) socket.close();
});

describe("a handshake", () => {
  it("fails on what is not TLS", async () => {
    const failures: string[] = [];
    const listener = await serve(serverSettings({ onFailure: (kind) => failures.push(kind) }));
    const plain = new Recorder();
    connect(
      ipAddress("127.0.0.1", listener.port),
      {},
      {
        onConnect: (raw) => {
          raw.handler = plain;
          raw.writeText("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        },
        onError: assert.fail,
      },
    );
    const { failure, seen } = await listener.next();
    assert.match(failure ?? "", /http request/i);
    assert.deepEqual(failures, ["protocol"]);
    assert.equal(seen.closed?.kind, "error");
    await plain.until(() => plain.ended || plain.closed !== undefined);
  });

  it("fails when the peer goes away in it", async () => {
    const failures: string[] = [];
    const listener = await serve(serverSettings({ onFailure: (kind) => failures.push(kind) }));
    connect(
      ipAddress("127.0.0.1", listener.port),
      {},
      { onConnect: (raw) => raw.destroy(), onError: assert.fail },
    );
    const { seen } = await listener.next();
    assert.deepEqual(failures, ["closed"]);
    assert.equal(seen.closes, 1);
  });

  it("takes bytes that were read before", async () => {
    let peeked = Buffer.alloc(0);
    const done = new Promise<Side>((resolve) => {
      void listen(ipAddress("127.0.0.1", 0), {}, (raw) => {
        raw.handler = {
          ...new Recorder(),
          onData(chunk) {
            peeked = Buffer.from(chunk);
            const seen = new Recorder();
            const connection: TlsConnection = new TlsConnection(
              raw,
              serverSettings(),
              {
                onSecure: () => resolve({ connection, seen, failure: undefined }),
                onFailed: (detail) => resolve({ connection, seen, failure: detail }),
              },
              peeked,
            );
            connection.handler = seen;
            connection.start();
          },
          ...{ onEnd() {}, onUnwritable() {}, onWritable() {}, onClose() {} },
        };
        raw.start();
      }).then(async (socket) => {
        open.push(socket);
        const client = await dial(socket.address.port, clientSettings());
        client.connection.writeText("x");
      });
    });
    const { seen, failure, connection } = await done;
    assert.equal(failure, undefined);
    await seen.until(() => seen.text === "x");
    connection.destroy();
  });

  it("gives the server the client's certificate, and refuses a client without one", async () => {
    const mutual = settings(
      {
        certificates: [{ chain: leaf.certificate, key: leaf.key, passphrase: undefined }],
        trustedAuthorities: authority.certificate,
      },
      {
        clientCertificate: "required",
        verify: (info, error) =>
          error === undefined
            ? { accepted: true, validated: info.peerPresented }
            : { accepted: false, failure: "certificate", detail: error.code },
      },
    );
    const me = await authority.issue({ uri: ["spiffe://td/me"], dns: ["me.test"] });
    const withCertificate = settings({
      isServer: false,
      trustedAuthorities: authority.certificate,
      certificates: [{ chain: me.certificate, key: me.key, passphrase: undefined }],
    });
    const [server, client] = await pair(mutual, withCertificate);
    assert.deepEqual(server.connection.tls?.peerUriSans, ["spiffe://td/me"]);
    assert.equal(server.connection.tls?.peerChain.length, 1);
    assert.equal(
      server.connection.tls?.peer?.fingerprint256,
      new Certificate(new X509Certificate(me.certificate)).fingerprint256,
    );
    client.connection.destroy();
    server.connection.destroy();
    // RFC 8446: the client is done before the server sees that there is no certificate.
    const [refused, without] = await pair(mutual, clientSettings());
    assert.match(refused.failure ?? "", /peer did not return a certificate/);
    await without.seen.until(() => without.seen.closed !== undefined);
    assert.match(without.seen.closed?.detail ?? "", /certificate required/);
    const stranger = await (await Authority.create("CN=Other")).issue({});
    const [denied, strange] = await pair(
      mutual,
      settings({
        isServer: false,
        certificates: [{ chain: stranger.certificate, key: stranger.key, passphrase: undefined }],
      }),
    );
    assert.equal(denied.failure, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
    await strange.seen.until(() => strange.seen.ended || strange.seen.closed !== undefined);
    strange.connection.destroy();
  });

  it("shows the identity that fits the name", async () => {
    const other = await authority.issue({ dns: ["b.test"], subject: "CN=b" });
    const identity = {
      context: makeContext(
        contextOptions({
          certificates: [{ chain: other.certificate, key: other.key, passphrase: undefined }],
        }),
      ),
      certificate: new Certificate(new X509Certificate(other.certificate)),
      staple: undefined,
    };
    const base = serverSettings({ alpn: Buffer.from("\x02h2") });
    const choosing: TlsSettings = {
      ...base,
      choose: (name) => (name === "b.test" ? identity : base.identity),
    };
    for (const [name, subject] of [
      ["b.test", "CN=b"],
      ["a.test", "CN=server"],
    ] as const) {
      const [server, client] = await pair(
        choosing,
        clientSettings({ serverName: name, alpn: Buffer.from("\x02h2") }),
      );
      assert.equal(client.connection.tls?.peerSubject, subject);
      assert.equal(client.connection.tls?.alpn, "h2");
      assert.equal(server.connection.tls?.alpn, "h2");
      assert.equal(server.connection.tls?.sni, name);
      client.connection.destroy();
      server.connection.destroy();
    }
  });

  it("resumes a session, and not one of another context", async () => {
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      const saved: SavedSession[] = [];
      const store = { take: () => saved.pop(), put: (one: SavedSession) => saved.push(one) };
      const client = settings(
        { isServer: false, maxVersion, trustedAuthorities: authority.certificate },
        { sessions: store },
      );
      const server = serverSettings();
      const talk = async (to: TlsSettings): Promise<boolean | undefined> => {
        const [a, b] = await pair(to, client);
        a.connection.writeText("x");
        await b.seen.until(() => b.seen.text === "x");
        const reused = b.connection.tls?.sessionReused;
        assert.equal(a.connection.tls?.sessionReused, reused);
        assert.deepEqual(b.connection.tls?.peerDnsSans, ["a.test"]);
        assert.match(
          b.connection.tls?.sessionId ?? "",
          maxVersion === "TLSv1.3" ? /^$/ : /^[0-9a-f]{64}$/,
        );
        a.connection.destroy();
        b.connection.destroy();
        return reused;
      };
      assert.equal(await talk(server), false);
      assert.ok(saved.length > 0);
      assert.equal(await talk(server), true, maxVersion);
      assert.equal(await talk(serverSettings()), false);
    }
  });

  it("opens tickets of old keys and makes them with the first", async () => {
    const keys = [Buffer.alloc(48, 1), Buffer.alloc(48, 2)];
    const withKeys = (ticketKeys: Buffer[]): TlsSettings =>
      settings({
        certificates: [{ chain: leaf.certificate, key: leaf.key, passphrase: undefined }],
        ticketKeys,
      });
    const saved: SavedSession[] = [];
    const store = { take: () => saved.shift(), put: (one: SavedSession) => saved.push(one) };
    const client = clientSettings({ sessions: store });
    const talk = async (to: TlsSettings): Promise<boolean | undefined> => {
      const [a, b] = await pair(to, client);
      a.connection.writeText("x");
      await b.seen.until(() => b.seen.text === "x");
      const reused = b.connection.tls?.sessionReused;
      a.connection.destroy();
      b.connection.destroy();
      return reused;
    };
    assert.equal(await talk(withKeys([keys[1] as Buffer])), false);
    assert.equal(await talk(withKeys(keys)), true);
    saved.splice(0, saved.length - 1);
    assert.equal(await talk(withKeys([keys[0] as Buffer])), true);
    saved.splice(0, saved.length - 1);
    assert.equal(await talk(withKeys([keys[1] as Buffer])), false);
  });

  it("writes the key log", async () => {
    const lines: string[] = [];
    const [server, client] = await pair(
      serverSettings({ keyLog: (line) => lines.push(line.toString()) }),
    );
    assert.ok(lines.some((line) => line.startsWith("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")));
    client.connection.destroy();
    server.connection.destroy();
  });
});
