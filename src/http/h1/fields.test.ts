import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  compileLenient,
  FieldSection,
  hasForbiddenByte,
  hasForbiddenByteSoFar,
  laxSectionEnd,
  parseFields,
  relax,
  removeNominated,
} from "./fields.ts";

function parse(
  text: string,
  fieldsMax = 10,
): { section: FieldSection; problem: string | undefined } {
  const section = new FieldSection();
  return { problem: parseFields(text, 0, text.length, fieldsMax, section), section };
}

describe("field sections", () => {
  it("set host, lengths and connection fields apart", () => {
    const { section, problem } = parse(
      "Host: h\r\nTransfer-Encoding: GZip\r\ntransfer-encoding: chunked\r\nConnection: Close, x-a\r\nx-a: 1\r\nUpgrade: a\r\nupgrade: b",
    );
    assert.equal(problem, undefined);
    assert.equal(section.host, "h");
    assert.equal(section.transferEncoding, "gzip,chunked");
    assert.equal(section.close, true);
    assert.equal(section.upgrade, "a, b");
    assert.deepEqual(section.headers.list, ["x-a", "1"]);
    removeNominated(section);
    assert.deepEqual(section.headers.list, []);
  });

  it("take a content-length of digits, and only one", () => {
    const length = (text: string) => parse(text).section.contentLength;
    assert.equal(length("content-length: 007"), 7);
    assert.equal(length("content-length: 9007199254740991"), 9007199254740991);
    for (const bad of ["", "+1", "-1", "1 1", "1,1", "0x1", "1e1", "9007199254740992", "\u00b2"])
      assert.equal(length(`content-length: ${bad}`), -2, bad);
    assert.equal(length("content-length: 1\r\ncontent-length: 1"), -2);
  });

  it("are refused for syntax, and for one field too many", () => {
    for (const bad of ["a", ":b", "a b: c", "a : b", " a: b", "\xe9: a"])
      assert.equal(parse(bad).problem, "syntax", bad);
    assert.equal(parse("a: 1\r\nb: 2", 2).problem, undefined);
    assert.equal(parse("a: 1\r\nb: 2", 1).problem, "too-many-fields");
  });

  it("may not hold control characters, CR or LF; the last byte of a part may be CR", () => {
    for (const bad of ["a\0", "\x01", "\x7f", "a\rb", "a\nb", "\r\r\n"]) {
      assert.equal(hasForbiddenByte(bad), true, JSON.stringify(bad));
      assert.equal(hasForbiddenByteSoFar(bad), true, JSON.stringify(bad));
    }
    assert.equal(hasForbiddenByte("a\r"), true);
    assert.equal(hasForbiddenByteSoFar("a\r"), false);
    for (const good of ["", "a\tb", "\x80\xff", "a\r\nb"])
      assert.equal(hasForbiddenByte(good), false);
  });
});

describe("leniency", () => {
  it("is undefined when every key is off, and has only what is on", () => {
    assert.equal(
      compileLenient(() => false),
      undefined,
    );
    assert.deepEqual(
      compileLenient((key) => key === "two_hosts"),
      { twoHosts: true },
    );
  });

  it("rewrites folds, bare CR and bare LF, each by itself", () => {
    assert.equal(relax("a: b\r\n \tc", { obsFold: true }), "a: b c");
    assert.equal(relax("a: b\rc\r\n", { bareCr: true }), "a: bc\r\n");
    assert.equal(relax("a: b\nc: d\r\n", { bareLf: true }), "a: b\r\nc: d\r\n");
    assert.equal(relax("a: b\r\n c\rd\n", {}), "a: b\r\n c\rd\n");
  });

  it("finds a section's end with any mixture of line ends", () => {
    assert.deepEqual(laxSectionEnd("a\n\nb"), { at: 1, length: 2 });
    assert.deepEqual(laxSectionEnd("a\r\n\nb"), { at: 1, length: 3 });
    assert.deepEqual(laxSectionEnd("a\r\n\r\nb"), { at: 1, length: 4 });
    assert.equal(laxSectionEnd("a\r\nb").at, -1);
  });
});
