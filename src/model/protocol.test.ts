import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isHttp,
  isHttp2,
  isTcp,
  isTls,
  kubernetesProtocol,
  parseProtocol,
  protocolOf,
} from "./protocol.ts";

test("a port's protocol is its appProtocol, else its name's first part, else found out", () => {
  const cases = [
    [{ number: 80, name: "http" }, "HTTP"],
    [{ number: 80, name: "http-admin" }, "HTTP"],
    [{ number: 80, name: "HTTP2-x" }, "HTTP2"],
    [{ number: 80, name: "httpadmin" }, "auto"],
    [{ number: 80, name: "grpc-web" }, "GRPC-Web"],
    [{ number: 80, name: "grpc-web-x" }, "GRPC-Web"],
    [{ number: 80, name: "grpc-webx" }, "GRPC-Web"],
    [{ number: 80, name: "grpc-x" }, "GRPC"],
    [{ number: 80, name: "http", appProtocol: "tcp" }, "TCP"],
    [{ number: 80, name: "http", appProtocol: "my.example/x" }, "auto"],
    [{ number: 80, appProtocol: "kubernetes.io/h2c" }, "HTTP2"],
    [{ number: 80, appProtocol: "kubernetes.io/ws" }, "HTTP"],
    [{ number: 80, appProtocol: "kubernetes.io/wss" }, "HTTPS"],
    [{ number: 80, name: "http", transport: "UDP" }, "UDP"],
    [{ number: 80, name: "http", transport: "TCP" }, "HTTP"],
    [{ number: 443, name: "https" }, "HTTPS"],
    [{ number: 443, name: "tls-x" }, "TLS"],
    [{ number: 27017, name: "mongo" }, "Mongo"],
    [{ number: 27017, name: "db" }, "TCP"],
    [{ number: 3306 }, "TCP"],
    [{ number: 3306, name: "mysql" }, "MySQL"],
    [{ number: 25 }, "TCP"],
    [{ number: 53 }, "TCP"],
    [{ number: 80 }, "auto"],
    [{ number: 80, name: "" }, "auto"],
  ] as const;
  for (const [port, protocol] of cases) {
    assert.equal(kubernetesProtocol(port), protocol, JSON.stringify(port));
  }
});

test("a word of a Gateway's or a ServiceEntry's port is taken in any case", () => {
  assert.equal(parseProtocol("http_proxy"), "HTTP_PROXY");
  assert.equal(parseProtocol("GRPC-WEB"), "GRPC-Web");
  assert.equal(parseProtocol("ftp"), undefined);
  assert.equal(protocolOf(undefined), "auto");
  assert.equal(protocolOf("Redis"), "Redis");
});

test("families of protocols", () => {
  assert.deepEqual(
    [isHttp("GRPC"), isHttp("HTTPS"), isHttp("auto"), isHttp("TCP")],
    [true, false, false, false],
  );
  assert.deepEqual([isHttp2("HTTP2"), isHttp2("HTTP")], [true, false]);
  assert.deepEqual([isTls("HTTPS"), isTls("TLS"), isTls("TCP")], [true, true, false]);
  assert.deepEqual(
    [isTcp("HTTPS"), isTcp("Mongo"), isTcp("HTTP"), isTcp("UDP")],
    [true, true, false, false],
  );
});
