import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { cookieValue, setCookieValue } from "./cookies.ts";

const find = (...fields: readonly string[]): string | undefined =>
  cookieValue(new HeaderList(fields.flatMap((field) => ["cookie", field])), "name");

test("a cookie is found in any place of any field", () => {
  assert.equal(find("name=a"), "a");
  assert.equal(find("x=1;name=a;y=2"), "a");
  assert.equal(find("x=1;   name=a"), "a");
  assert.equal(find("x=1", "name=a"), "a");
  assert.equal(find("name=a; name=b", "name=c"), "a");
  assert.equal(find("name=a=b"), "a=b");
  assert.equal(find("name="), "");
});

test("names are whole, and a part without equals sign is none", () => {
  assert.equal(find("names=a; xname=b; name =c; Name=d"), undefined);
  assert.equal(find("name"), undefined);
  assert.equal(find("name; x=name=1"), undefined);
  assert.equal(find(""), undefined);
  assert.equal(find(";;;"), undefined);
  assert.equal(cookieValue(new HeaderList(["x-cookie", "name=a"]), "name"), undefined);
});

test("quotes come off in pairs", () => {
  assert.equal(find('name="a"'), "a");
  assert.equal(find('name="a'), '"a');
  assert.equal(find('name=""'), "");
  assert.equal(find('name="'), '"');
});

test("what is made has Envoy's order", () => {
  const parts = { name: "n", value: "v", path: "", maxAgeSeconds: 0, attributes: [] };
  assert.equal(setCookieValue(parts), 'n="v"; HttpOnly');
  assert.equal(
    setCookieValue({
      ...parts,
      path: "/p",
      maxAgeSeconds: 9,
      attributes: [
        { name: "a", value: "b" },
        { name: "Secure", value: "" },
      ],
    }),
    'n="v"; Max-Age=9; Path=/p; a=b; Secure; HttpOnly',
  );
});
