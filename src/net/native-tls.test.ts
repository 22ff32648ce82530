import assert from "node:assert/strict";
import { it } from "node:test";
import { createSecureContext } from "node:tls";
import { inspect } from "node:util";
import { tcp } from "./native.ts";
import { nativeContext, wrapTls } from "./native-tls.ts";

it("this runtime has every method that is used below node:tls", () => {
  const context = nativeContext(createSecureContext());
  const handle = wrapTls(new tcp.TCP(tcp.constants.SOCKET), context, true);
  const names = [
    ...["readStart", "readStop", "useUserBuffer", "writeBuffer", "shutdown", "start", "receive"],
    ...["destroySSL", "setVerifyMode", "enableCertCb", "certCbDone", "enableKeylogCallback"],
    ...["enableSessionCallbacks", "setALPNProtocols", "setServername", "setSession"],
    ...["setOCSPResponse", "isSessionReused", "getALPNNegotiatedProtocol", "getServername"],
    ...["getProtocol", "getCipher", "getEphemeralKeyInfo", "getSession", "hasPeerCertificate"],
    ...["verifyError", "getPeerX509Certificate"],
  ];
  for (const name of names)
    assert.equal(typeof Reflect.get(handle, name), "function", `TLSWrap.${name}`);
  for (const name of ["enableTicketKeyCallback"])
    assert.equal(typeof Reflect.get(context, name), "function", `SecureContext.${name}`);
  assert.match(inspect(context._external), /^\[External: [0-9a-f]+\]$/);
});
