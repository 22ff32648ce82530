import { HeaderList, internName } from "../headers.ts";
import { RequestHead, ResponseHead } from "../message.ts";
import { Detail } from "./details.ts";
import type { HpackFieldSink } from "./hpack-decoder.ts";
import type { Http2Options } from "./http2-options.ts";

/** What the codec does with a field beside handing it on. */
const FieldKind = {
  plain: 0,
  malformed: 1,
  te: 2,
  cookie: 3,
  contentLength: 4,
  host: 5,
  expect: 6,
  underscore: 7,
} as const;

class KnownName {
  readonly kind: number;
  /** The last value found good: fields from the dynamic table bring the same string again and again. */
  good = "";

  constructor(kind: number) {
    this.kind = kind;
  }
}

const knownNamesMax = 1024;
const rememberedMax = 256;
const fixedNames: readonly (readonly [name: string, kind: number])[] = [
  // RFC 9113 §8.2.2: connection-specific fields make a message malformed.
  ["connection", FieldKind.malformed],
  ["keep-alive", FieldKind.malformed],
  ["proxy-connection", FieldKind.malformed],
  ["transfer-encoding", FieldKind.malformed],
  ["upgrade", FieldKind.malformed],
  ["te", FieldKind.te],
  ["cookie", FieldKind.cookie],
  ["content-length", FieldKind.contentLength],
  ["host", FieldKind.host],
  ["expect", FieldKind.expect],
];

/** By pointer-equal names wherever HPACK gives such. Bounded: strangers choose names. */
const knownNames: Map<string, KnownName> = new Map(
  fixedNames.map(([name, kind]) => [name, new KnownName(kind)]),
);

function knownName(name: string): KnownName {
  return knownNames.get(name) ?? newName(name);
}

function newName(name: string): KnownName {
  // RFC 9113 §8.2.1: upper case is malformed; `internName` would make it lower.
  const valid = internName(name) !== undefined && name === name.toLowerCase();
  const plain = name.includes("_") ? FieldKind.underscore : FieldKind.plain;
  const known = new KnownName(valid ? plain : FieldKind.malformed);
  if (knownNames.size < knownNamesMax) knownNames.set(name, known);
  return known;
}

/** RFC 9113 §8.2.1 forbids NUL, CR, LF; the other controls are refused as in HTTP/1, to which this may be translated. */
const forbiddenInValue = /[\0-\x08\x0a-\x1f\x7f]/;
/** RFC 3986: visible ASCII. A fragment is the connection manager's to refuse, as in Envoy: it can answer. */
const badPath = /[^\x21-\x7e]/;
const badAuthority = /[^\x21-\x7e]|[@/?#\\]/;

function isGoodValue(value: string): boolean {
  const length = value.length;
  if (length === 0) return true;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(length - 1);
  if (first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09) return false;
  return !forbiddenInValue.test(value);
}

/** -1: something else than up to 15 digits, which a number holds exactly. */
function parseDigits(text: string): number {
  const { length } = text;
  if (length === 0 || length > 15) return -1;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Collects and judges the fields of one block; made once for a connection and used again. */
export abstract class FieldSection implements HpackFieldSink {
  protected list: string[] = [];
  /** Why the message is malformed; the first reason stands. */
  problem: string | undefined = undefined;
  /** The message is over our limits. */
  overflow: string | undefined = undefined;
  /** -1: no content-length. */
  contentLength = -1;
  #count = 0;
  #bytes = 0;
  #cookieAt = -1;
  protected readonly options: Http2Options;

  constructor(options: Http2Options) {
    this.options = options;
  }

  begin(): void {
    this.list = [];
    this.problem = undefined;
    this.overflow = undefined;
    this.contentLength = -1;
    this.#count = 0;
    this.#bytes = 0;
    this.#cookieAt = -1;
  }

  onField(name: string, value: string): void {
    // Every crumb of a cookie counts: joined they would be one field that a few octets of index can make as large as one likes.
    this.#bytes += name.length + value.length;
    if (++this.#count > this.options.fieldsMax) this.overflow ??= Detail.tooManyFields;
    if (this.#bytes > this.options.fieldBytesMax) this.overflow ??= Detail.tooLarge;
    if (this.overflow !== undefined || this.problem !== undefined) return;
    if (name.charCodeAt(0) === 0x3a /* : */) {
      // RFC 9113 §8.3: pseudo fields come first.
      this.problem = this.list.length > 0 ? Detail.messaging : this.pseudo(name, value);
      return;
    }
    const known = knownName(name);
    if (known.good !== value) {
      if (!isGoodValue(value)) {
        this.problem = Detail.invalidField;
        return;
      }
      if (value.length <= rememberedMax) known.good = value;
    }
    if (known.kind === FieldKind.plain) this.list.push(name, value);
    else this.#special(known.kind, name, value);
  }

  #special(kind: number, name: string, value: string): void {
    switch (kind) {
      case FieldKind.malformed:
        this.problem = Detail.invalidField;
        return;
      case FieldKind.te:
        // RFC 9113 §8.2.2.
        if (value.toLowerCase() !== "trailers") this.problem = Detail.invalidField;
        break;
      case FieldKind.cookie:
        if (this.#joinCookie(value)) return;
        break;
      case FieldKind.contentLength:
        this.#takeLength(value);
        break;
      case FieldKind.underscore:
        if (!this.takeUnderscore()) return;
        break;
      default:
        if (this.takeHead(name, value)) return;
    }
    this.list.push(name, value);
  }

  /** RFC 9113 §8.2.3: crumbs are one field for whoever does not speak HTTP/2. */
  #joinCookie(value: string): boolean {
    const at = this.#cookieAt;
    if (at === -1) {
      this.#cookieAt = this.list.length + 1;
      return false;
    }
    this.list[at] = `${this.list[at]}; ${value}`;
    return true;
  }

  #takeLength(value: string): void {
    const length = parseDigits(value);
    // RFC 9110 §8.6 lets two equal ones pass; nghttp2 does not, nor does an HTTP/1 upstream gain by them.
    if (length === -1 || this.contentLength !== -1) this.problem = Detail.invalidField;
    this.contentLength = length;
  }

  /** Returns a problem when the pseudo field is unknown here, repeated or malformed. */
  protected abstract pseudo(name: string, value: string): string | undefined;
  /** `host` or `expect`; true: it is not to be in the list. */
  protected abstract takeHead(name: string, value: string): boolean;
  /** False: the field is dropped. */
  protected abstract takeUnderscore(): boolean;
}

export class RequestSection extends FieldSection {
  #method = "";
  #path = "";
  #scheme = "";
  #authority = "";
  #protocol = "";
  #host: string | undefined = undefined;
  #goodAuthority = "";
  #seen = 0;
  #expectsContinue = false;
  droppedUnderscores = 0;
  rejectedUnderscore = false;

  override begin(): void {
    super.begin();
    this.#method = "";
    this.#path = "";
    this.#scheme = "";
    this.#authority = "";
    this.#protocol = "";
    this.#host = undefined;
    this.#seen = 0;
    this.#expectsContinue = false;
    this.droppedUnderscores = 0;
    this.rejectedUnderscore = false;
  }

  protected pseudo(name: string, value: string): string | undefined {
    switch (name) {
      case ":method":
        this.#method = value;
        return this.#judge(1, internName(value) !== undefined);
      case ":path":
        this.#path = value;
        return this.#judge(2, value !== "" && !badPath.test(value));
      case ":scheme":
        this.#scheme = value;
        return this.#judge(4, value !== "");
      case ":authority":
        this.#authority = value;
        return this.#judge(8, this.#isAuthority(value));
      case ":protocol":
        this.#protocol = value;
        if (!this.options.allowConnect) return Detail.invalidField;
        return this.#judge(16, internName(value) !== undefined);
      default:
        return Detail.messaging;
    }
  }

  #judge(bit: number, isGood: boolean): string | undefined {
    const isFirst = (this.#seen & bit) === 0;
    this.#seen |= bit;
    if (!isFirst) return Detail.messaging;
    return isGood ? undefined : Detail.invalidField;
  }

  /** Nearly always the one before, and the same string. */
  #isAuthority(value: string): boolean {
    if (value === this.#goodAuthority && value !== "") return true;
    if (value === "" || badAuthority.test(value)) return false;
    if (value.length <= rememberedMax) this.#goodAuthority = value;
    return true;
  }

  protected takeHead(name: string, value: string): boolean {
    if (name === "host") {
      if (this.#host !== undefined || badAuthority.test(value)) this.problem = Detail.messaging;
      this.#host = value;
      return true;
    }
    if (value.toLowerCase() !== "100-continue") return false;
    this.#expectsContinue = true;
    return true;
  }

  protected takeUnderscore(): boolean {
    const { underscores } = this.options;
    if (underscores === "ALLOW") return true;
    if (underscores === "DROP_HEADER") this.droppedUnderscores++;
    else {
      this.problem = Detail.underscore;
      this.rejectedUnderscore = true;
    }
    return false;
  }

  /** After a block without problem; undefined: the pseudo fields are not those of a request. */
  head(): RequestHead | undefined {
    if (!this.#isComplete()) return undefined;
    // RFC 9113 §8.3.1: Host says what :authority says, and only where that is missing it counts.
    const authority = this.#authority === "" ? (this.#host ?? "") : this.#authority;
    const head = new RequestHead(
      this.#method,
      this.#path,
      authority,
      20,
      new HeaderList(this.list),
    );
    // RFC 3986 §3.1: whatever its case.
    if (this.#scheme === "https" || this.#scheme.toLowerCase() === "https") head.scheme = "https";
    head.hostMissing = authority === "" && this.#host === undefined;
    head.expectsContinue = this.#expectsContinue;
    if (this.#protocol !== "") {
      // As Envoy: filters and routes see the upgrade that a client of HTTP/1 would have asked for.
      head.method = "GET";
      head.upgrade = this.#protocol;
    }
    return head;
  }

  /** RFC 9113 §8.3.1 and §8.5, RFC 8441 §4. */
  #isComplete(): boolean {
    const seen = this.#seen;
    // RFC 9113 §8.3.1: the path is absolute, but for OPTIONS of the whole server.
    const absolute = this.#path.charCodeAt(0) === 0x2f /* / */;
    if (this.#method !== "CONNECT")
      return (
        (seen & 0b10111) === 0b00111 &&
        (absolute || (this.#path === "*" && this.#method === "OPTIONS"))
      );
    if ((seen & 16) !== 0) return (seen & 0b01110) === 0b01110 && absolute;
    return (seen & 0b00110) === 0 && this.#authority !== "";
  }
}

export class ResponseSection extends FieldSection {
  #status = 0;

  override begin(): void {
    super.begin();
    this.#status = 0;
  }

  protected pseudo(name: string, value: string): string | undefined {
    if (name !== ":status" || this.#status !== 0) return Detail.messaging;
    // RFC 9113 §8.6: there is no 101 in HTTP/2.
    const status = value.length === 3 ? parseDigits(value) : -1;
    if (status < 100 || status === 101) return Detail.invalidField;
    this.#status = status;
    return undefined;
  }

  protected takeHead(): boolean {
    return false;
  }

  protected takeUnderscore(): boolean {
    return true;
  }

  head(): ResponseHead | undefined {
    if (this.#status === 0) return undefined;
    const head = new ResponseHead(this.#status, new HeaderList(this.list));
    head.version = 20;
    return head;
  }
}

/** RFC 9113 §8.1: trailers have no pseudo fields. */
export class TrailerSection extends FieldSection {
  protected pseudo(): string {
    return Detail.invalidField;
  }

  protected takeHead(): boolean {
    return false;
  }

  protected takeUnderscore(): boolean {
    return this.options.underscores === "ALLOW";
  }

  trailers(): HeaderList {
    return new HeaderList(this.list);
  }
}
