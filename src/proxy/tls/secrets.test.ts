import assert from "node:assert/strict";
import { test } from "node:test";
import { SecretStore, secretKey } from "./secrets.ts";

const config = { name: "a", sdsConfig: { ads: {} } };
const key = secretKey(config);

test("a secret that is forgotten goes with the last one who has it", () => {
  const store = new SecretStore();
  store.update(key, { name: "a" });
  const end = store.slot(config).subscribe(() => undefined);
  store.update(key, undefined);
  end();
  assert.equal(store.slot(config).value, undefined);
});

test("a secret that is asked for again stays", () => {
  const store = new SecretStore();
  store.update(key, { name: "a" });
  const end = store.slot(config).subscribe(() => undefined);
  store.update(key, undefined);
  const next = store.slot(config).subscribe(() => undefined);
  end();
  next();
  assert.deepEqual(store.slot(config).value, { name: "a" });
});
